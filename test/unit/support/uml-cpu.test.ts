/** Which CPU each user-mode Linux of a test run gets. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { cpuOf, ownCpu, parseCpuList } from "../../support/uml/cpu.ts";

test.each([
  ["0", [0]],
  ["0-1", [0, 1]],
  ["2-4,8,10-11", [2, 3, 4, 8, 10, 11]],
])("the list %s", (list, cpus) => {
  expect(parseCpuList(list)).toEqual(cpus);
});

test("workers have different CPUs while there are enough", () => {
  expect([1, 2, 3, 4].map((worker) => cpuOf(worker, [3, 5, 7]))).toEqual([3, 5, 7, 3]);
});

test("this process has one that it may use", () => {
  // "pid 4711's current affinity list: 0,1"
  const shown = execFileSync("taskset", ["--cpu-list", "--pid", String(process.pid)], { encoding: "utf8" });
  expect(parseCpuList(shown.trim().split(" ").at(-1) ?? "")).toContain(ownCpu());
});
