import { expect, test } from "vitest";
import { SpamFilter } from "../../../src/events/spam-filter.ts";

function countAdmitted(filter: SpamFilter, object: string, tries: number): number {
  return Array.from({ length: tries }, () => filter.admit(object)).filter(Boolean).length;
}

test("25 at once for each object, then one every five minutes, never more than 25 saved", () => {
  let now = 0;
  const filter = new SpamFilter(() => now);
  expect(countAdmitted(filter, "a", 100)).toBe(25);
  expect(countAdmitted(filter, "b", 100)).toBe(25);
  now += 299_999;
  expect(countAdmitted(filter, "a", 100)).toBe(0);
  now += 1;
  expect(countAdmitted(filter, "a", 100)).toBe(1);
  now += 1000 * 300_000;
  expect(countAdmitted(filter, "a", 100)).toBe(25);
});

test("forgets the object not heard of for longest", () => {
  const filter = new SpamFilter(() => 0);
  expect(countAdmitted(filter, "old", 26)).toBe(25);
  for (let i = 0; i < 1024; i++) filter.admit(`other-${i}`);
  expect(filter.admit("old"), "its bucket is full again").toBe(true);
});
