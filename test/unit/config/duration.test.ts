import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../../src/config/duration.ts";

describe("parseDuration", () => {
  it.each([
    ["0", 0],
    ["0s", 0],
    ["-0", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["1h2m3.5s", 3_723_500],
    ["24h", 86_400_000],
    ["-5s", -5_000],
    ["+5s", 5_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["1.s", 1_000],
    ["100us", 0.1],
    ["100\u00b5s", 0.1],
    ["100\u03bcs", 0.1],
    ["1ns", 0.000001],
    ["0.0000000000000000000000001s", 0],
    ["2562047h47m16.854775807s", 9_223_372_036_854.775],
  ])("reads %s as %d ms", (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 6);
  });

  it.each([
    "",
    "-",
    "15",
    "15d",
    "1w",
    "s",
    ".s",
    ".",
    "1 s",
    " 1s",
    "1S",
    "1h30",
    "1s2",
    "1,5s",
    "--1s",
    "1e3s",
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it("refuses more than 64 bits of nanoseconds, as Go does", () => {
    expect(parseDuration("2562047h47m16.854775808s")).toBeUndefined();
  });
});

describe("formatDuration", () => {
  it.each([
    [0, "0s"],
    [900_000, "15m0s"],
    [3_600_000, "1h0m0s"],
    [86_400_000, "24h0m0s"],
    [1_500, "1.5s"],
    [250, "250ms"],
    [1.5, "1.5ms"],
    [0.1, "100\u00b5s"],
    [0.000001, "1ns"],
    [-5_000, "-5s"],
    [3_723_500, "1h2m3.5s"],
  ])("prints %d ms as %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(fc.integer({ min: -9e12, max: 9e12 }), (milliseconds) => {
        expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
      }),
    );
  });
});
