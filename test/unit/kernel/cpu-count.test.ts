import { cpus } from "node:os";
import { describe, expect, test } from "vitest";
import { countCpuList, machineCpuCount } from "../../../src/kernel/cpu-count.ts";

describe("countCpuList", () => {
  test.each([
    ["0", 1],
    ["0-1\n", 2],
    ["0-3,8,10-11\n", 7],
    ["", 0],
    ["\n", 0],
    ["all", 0],
    ["0-", 0],
    ["3-1", 0],
  ])("of %j is %d", (list, count) => {
    expect(countCpuList(list)).toBe(count);
  });
});

describe("machineCpuCount", () => {
  test("is at least what this process may use", () => {
    expect(machineCpuCount()).toBeGreaterThanOrEqual(1);
  });

  test.each(["/no/such/file", "/dev/null"])("falls back to Node's own count for %s", (path) => {
    expect(machineCpuCount(path)).toBe(cpus().length);
  });
});
