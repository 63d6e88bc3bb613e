import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arrange, split, tagsOf } from "../../../../src/backends/nftables/ring.ts";

const names = fc.uniqueArray(fc.constantFrom(..."abcdefghijkl"));

describe("arranging a ring", () => {
  test.each([
    ["new", "", "ba", "ba"],
    ["unchanged", "ab", "ba", "ab"],
    ["one more", "ab", "abc", "abc"],
    ["the last one less", "abc", "ab", "ab"],
    ["one less: the last moves into the hole", "abcd", "acd", "adc"],
    ["one replaced", "abc", "axc", "axc"],
    ["two less", "abcd", "cd", "cd"],
    ["all replaced", "abc", "xy", "xy"],
    ["empty", "abc", "", ""],
  ])("%s", (_what, slots, wanted, expected) => {
    expect(arrange([...slots], [...wanted]).join("")).toBe(expected);
  });

  test("has all the wanted and no hole; who stays keeps the slot unless it is behind the end", () => {
    fc.assert(
      fc.property(names, names, (slots, wanted) => {
        const ring = arrange(slots, wanted);
        expect([...ring].sort()).toEqual([...wanted].sort());
        for (const [i, endpoint] of slots.entries()) {
          if (i < ring.length && wanted.includes(endpoint)) expect(ring[i]).toBe(endpoint);
        }
      }),
    );
  });

  test("moves at most one for each that goes", () => {
    fc.assert(
      fc.property(names, names, (slots, wanted) => {
        const ring = arrange(slots, wanted);
        const moved = slots.filter((endpoint, i) => wanted.includes(endpoint) && ring[i] !== endpoint);
        const gone = slots.filter((endpoint) => !wanted.includes(endpoint));
        expect(moved.length).toBeLessThanOrEqual(gone.length);
      }),
    );
  });

  test("is the same when done twice", () => {
    fc.assert(
      fc.property(names, names, (slots, wanted) => {
        const ring = arrange(slots, wanted);
        expect(arrange(ring, wanted.toReversed())).toEqual(ring);
      }),
    );
  });
});

test("a ring is split into what it was joined of", () => {
  const slots = fc.array(fc.string({ minLength: 8, maxLength: 8, unit: "binary-ascii" }));
  fc.assert(
    fc.property(slots, (ring) => {
      expect(split(ring.join(""), 8)).toEqual(ring);
    }),
  );
});

describe("tags", () => {
  test("are FNV-1a, and stay with the endpoint whatever slot it is in", () => {
    // Test vectors of draft-eastlake-fnv.
    expect(tagsOf(["", "a", "foobar"])).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
    expect(tagsOf(["foobar", "a"])).toEqual([0xbf9cf968, 0xe40c292c]);
  });

  test("differ where hashes do not", () => {
    // Known to collide in FNV-1a.
    expect(tagsOf(["costarring", "liquid"])).toEqual([0x5e4daa9d, 0x5e4daa9e]);
  });
});
