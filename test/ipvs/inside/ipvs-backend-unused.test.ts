/** On a kernel that has never used IPVS, removing what ipvs mode may have left does not make it load anything. */
import { readFileSync } from "node:fs";
import { beforeAll, expect, it } from "vitest";
import { removeIpvsMode } from "../../../src/backends/ipvs/cleanup.ts";
import { removeLeftovers } from "../../../src/backends/leftovers.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { run, useIptablesLegacy } from "../../support/ipvs-node.ts";
import { LogCapture } from "../../support/log-capture.ts";

function modules(): string[] {
  const lines = readFileSync("/proc/modules", "utf8").split("\n");
  return lines.map((line) => line.split(" ")[0] ?? "").sort();
}

beforeAll(() => {
  useIptablesLegacy();
  // Tables, and all of nf_tables, are the price of looking into them.
  for (const program of ["iptables", "ip6tables"]) {
    for (const table of ["filter", "nat", "mangle"]) run(`${program}-legacy`, "-t", table, "-S");
    run(`${program}-nft`, "-S");
  }
});

it("the kernel has no IPVS, no sets and no dummy devices yet", () => {
  const loaded = modules();
  for (const module of ["ip_vs", "ip_set", "xt_set", "dummy"]) expect(loaded).not.toContain(module);
});

it.each(["iptables", "nftables", undefined] as const)("before %s", async (kept) => {
  const before = modules();
  const log = new LogCapture();
  expect(await removeLeftovers(kept, log.logger)).toBe(0);
  expect(log.lines).toEqual([]);
  expect(modules()).toEqual(before);
});

it("the mode's own cleanup", async () => {
  const before = modules();
  for (const family of IP_FAMILIES) await removeIpvsMode(family);
  expect(modules()).toEqual(before);
});
