import { describe, expect, test } from "vitest";
import { type ChangeInfo, PendingChanges } from "../../../src/sync/pending-changes.ts";

/** [Service, when, change]. */
type Arrival = [key: string, atMs: number, change: ChangeInfo];

const service: ChangeInfo = { what: "service" };
const slice = (triggerTimeMs?: number): ChangeInfo =>
  triggerTimeMs === undefined ? { what: "endpoints" } : { what: "endpoints", triggerTimeMs };
const removal: ChangeInfo = { what: "endpoints", forgetTriggerTimes: true };

function add(pending: PendingChanges, arrivals: readonly Arrival[]): void {
  for (const [key, atMs, change] of arrivals) pending.add(key, atMs, change);
}

/** What waits, as `key since slices times`. */
function contents(taken: ReturnType<PendingChanges["take"]>): string[] {
  return [...taken].map(([key, entry]) =>
    [key, entry.sinceMs, entry.slices, ...entry.triggerTimesMs].join(" "),
  );
}

describe("changes that wait", () => {
  test.each<[string, Arrival[], string[]]>([
    ["nothing", [], []],
    ["a Service", [["a", 1, service]], ["a 1 0"]],
    ["a slice with its time", [["a", 1, slice(7)]], ["a 1 1 7"]],
    ["a slice without a time", [["a", 1, slice()]], ["a 1 1"]],
    [
      "many of one Service, since the first",
      [
        ["a", 3, slice(7)],
        ["a", 4, service],
        ["a", 5, slice(8)],
      ],
      ["a 3 2 7 8"],
    ],
    [
      "several Services, in the order they came",
      [
        ["b", 1, service],
        ["a", 2, service],
        ["b", 3, service],
      ],
      ["b 1 0", "a 2 0"],
    ],
    [
      "removed endpoints forget the times before them",
      [
        ["a", 1, slice(7)],
        ["a", 2, removal],
      ],
      ["a 1 2"],
    ],
    [
      "and only those",
      [
        ["a", 1, slice(7)],
        ["b", 1, slice(5)],
        ["a", 2, removal],
        ["a", 3, slice(9)],
      ],
      ["a 1 3 9", "b 1 1 5"],
    ],
  ])("%s", (_title, arrivals, expected) => {
    const pending = new PendingChanges();
    add(pending, arrivals);
    expect(pending.size).toBe(expected.length);
    expect(contents(pending.take())).toEqual(expected);
    expect([pending.size, pending.slices, pending.oldestMs]).toEqual([0, 0, undefined]);
  });
});

describe("changes given back after a failure", () => {
  test.each<[string, Arrival[], Arrival[], string[]]>([
    ["as they were", [["a", 1, slice(7)]], [], ["a 1 1 7"]],
    ["beside newer ones", [["a", 1, slice(7)]], [["b", 2, service]], ["a 1 1 7", "b 2 0"]],
    ["joined with newer ones of the same Service", [["a", 1, slice(7)]], [["a", 2, slice(8)]], ["a 1 2 7 8"]],
    [
      "without times that a newer removal forgets",
      [["a", 1, slice(7)]],
      [
        ["a", 2, removal],
        ["a", 3, slice(9)],
      ],
      ["a 1 3 9"],
    ],
    [
      "with times that came after their own removal",
      [
        ["a", 1, removal],
        ["a", 1, slice(7)],
      ],
      [["a", 2, slice(8)]],
      ["a 1 3 7 8"],
    ],
  ])("%s", (_title, taken, newer, expected) => {
    const pending = new PendingChanges();
    add(pending, taken);
    const failed = pending.take();
    add(pending, newer);
    pending.putBack(failed);
    expect(contents(pending.take())).toEqual(expected);
  });

  test("do not lose a removal that waits behind a second failure", () => {
    const pending = new PendingChanges();
    pending.add("a", 1, slice(7));
    const first = pending.take();
    pending.add("a", 2, removal);
    const second = pending.take();
    pending.putBack(second);
    pending.putBack(first);
    expect(contents(pending.take())).toEqual(["a 1 2"]);
  });
});

test("sums and the oldest change are those of all Services", () => {
  const pending = new PendingChanges();
  add(pending, [
    ["a", 5, slice()],
    ["b", 3, slice()],
    ["c", 4, service],
    ["a", 6, slice()],
  ]);
  expect([pending.size, pending.slices, pending.oldestMs]).toEqual([3, 3, 3]);
});
