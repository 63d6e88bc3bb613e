import { expect, test } from "vitest";
import { Backoff } from "../../../src/watch/backoff.ts";

test("doubles from 0.8 s to 30 s and forgets after two quiet minutes", () => {
  let now = 0;
  const backoff = new Backoff({ now: () => now, random: () => 0 });
  const waits = Array.from({ length: 8 }, () => backoff.next());
  expect(waits).toEqual([800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  now += 120_000;
  expect(backoff.next()).toBe(30_000);
  now += 120_001;
  expect(backoff.next()).toBe(800);
});

test("jitter adds up to the wait itself and does not grow into the next", () => {
  const backoff = new Backoff({ now: () => 0, random: () => 0.5 });
  expect([backoff.next(), backoff.next()]).toEqual([1200, 2400]);
});
