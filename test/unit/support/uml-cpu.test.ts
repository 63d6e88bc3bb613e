/** Which CPU each user-mode Linux of a test run gets. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { parseCpuList } from "../../../src/kernel/cpu-count.ts";
import { type ClaimedCpu, claimCpu } from "../../support/uml/cpu.ts";

test.each([
  ["0", [0]],
  ["0-1", [0, 1]],
  ["2-4,8,10-11", [2, 3, 4, 8, 10, 11]],
])("the list %s", (list, cpus) => {
  expect(parseCpuList(list)).toEqual(cpus);
});

test("each gets another while there are any, and one that was given back comes again", async () => {
  // "pid 4711's current affinity list: 0,1"
  const shown = execFileSync("taskset", ["--cpu-list", "--pid", String(process.pid)], { encoding: "utf8" });
  const allowed = parseCpuList(shown.trim().split(" ").at(-1) ?? "");
  const claims: ClaimedCpu[] = [];
  for (let claim = await claimCpu(); claim !== undefined; claim = await claimCpu()) claims.push(claim);
  const cpus = claims.map(({ cpu }) => cpu);
  expect(new Set(cpus).size).toBe(cpus.length);
  expect(allowed).toEqual(expect.arrayContaining(cpus));
  const [first, ...others] = claims;
  first?.release();
  expect((await claimCpu())?.cpu).toBe(first?.cpu);
  for (const claim of others) claim.release();
});
