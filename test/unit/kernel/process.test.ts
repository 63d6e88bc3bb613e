import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { setOomScoreAdj } from "../../../src/kernel/process.ts";

describe.runIf(process.platform === "linux")("setOomScoreAdj", () => {
  test("sets the value", () => {
    const before = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
    // Raising takes no privilege; the test's own worker process ends soon.
    const value = Math.min(1000, before + 1);
    expect(setOomScoreAdj(value)).toBeUndefined();
    expect(readFileSync("/proc/self/oom_score_adj", "utf8").trim()).toBe(String(value));
  });

  test("returns what went wrong", () => {
    expect(setOomScoreAdj(5000)).toMatch(/^cannot set oom_score_adj to 5000: EINVAL/);
  });
});
