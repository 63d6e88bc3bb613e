/** Which syncs wait, and how long. */
import { expect, test } from "vitest";
import { BurstBudget } from "../../../src/sync/burst-budget.ts";

test("as many as the budget holds follow each other at once, the next one waits a whole period", () => {
  const budget = new BurstBudget(1_000, 3);
  const waits = [0, 0, 0, 0].map(() => {
    const wait = budget.waitMs(5_000);
    budget.spend(5_000, 5_000);
    return wait;
  });
  expect(waits).toEqual([0, 0, 0, 1_000]);
});

test("a steady stream gets one sync in each period, counted from the end of the last", () => {
  const budget = new BurstBudget(1_000, 1);
  budget.spend(10_000, 10_400);
  expect([10_400, 10_900, 11_400].map((now) => budget.waitMs(now))).toEqual([1_000, 500, 0]);
});

test("one comes back in each quiet period, and never more than the budget holds", () => {
  const budget = new BurstBudget(1_000, 2);
  budget.spend(10_000, 10_000);
  budget.spend(10_000, 10_000);
  expect(budget.waitMs(10_250)).toBe(750);
  budget.spend(100_000, 100_000);
  budget.spend(100_000, 100_000);
  expect(budget.waitMs(100_000)).toBe(1_000);
});

test("without a period nothing ever waits", () => {
  const budget = new BurstBudget(0, 1);
  budget.spend(1, 1);
  expect(budget.waitMs(1)).toBe(0);
});
