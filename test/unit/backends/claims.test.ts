import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ClaimChange, Claims } from "../../../src/backends/claims.ts";

const claim = (value: string, key = "k") => ({ set: "s", key, value });

describe("of several claimants", () => {
  test("the first by name counts, and the next when it goes", () => {
    const claims = new Claims();
    claims.add("b", claim("of b"));
    claims.add("a", claim("of a"));
    expect([claims.counts("a", claim("")), claims.counts("b", claim(""))]).toEqual([true, false]);
    expect(claims.takeChanges()).toEqual([{ set: "s", key: "k", before: undefined, after: "of a" }]);
    claims.remove("a", claim("of a"));
    expect(claims.takeChanges()).toEqual([{ set: "s", key: "k", before: "of a", after: "of b" }]);
    claims.remove("b", claim("of b"));
    expect(claims.takeChanges()).toEqual([{ set: "s", key: "k", before: "of b", after: undefined }]);
    expect(claims.counts("b", claim(""))).toBe(false);
  });

  test("one that does not count changes nothing", () => {
    const claims = new Claims();
    claims.add("a", claim("of a"));
    claims.takeChanges();
    claims.add("b", claim("of b"));
    claims.add("b", claim("again"));
    claims.remove("b", claim(""));
    claims.remove("nobody", claim(""));
    expect(claims.takeChanges()).toEqual([]);
  });
});

test("what is undone before it is taken is no change", () => {
  const claims = new Claims();
  claims.add("a", claim("1"));
  claims.remove("a", claim("1"));
  claims.add("a", claim("2", "other"));
  expect(claims.takeChanges()).toEqual([{ set: "s", key: "other", before: undefined, after: "2" }]);
});

const step = fc.record({
  owner: fc.constantFrom("a", "b", "c"),
  key: fc.constantFrom("k", "l"),
  value: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
  take: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function run(steps: readonly Step[]) {
  const claims = new Claims();
  const taken: ClaimChange[][] = [];
  for (const { owner, key, value, take } of steps) {
    if (value === undefined) claims.remove(owner, claim("", key));
    else claims.add(owner, claim(value, key));
    if (take) taken.push(claims.takeChanges());
  }
  taken.push(claims.takeChanges());
  return taken;
}

/** What the first owner by name wants of each key in the end. */
function expected(steps: readonly Step[]): Map<string, string> {
  const last = new Map<string, string | undefined>();
  for (const { owner, key, value } of steps) last.set(`${key} ${owner}`, value);
  const result = new Map<string, string>();
  for (const name of [...last.keys()].sort()) {
    const [key = ""] = name.split(" ");
    const value = last.get(name);
    if (value !== undefined && !result.has(key)) result.set(key, value);
  }
  return result;
}

test("changes are exact, and lead to what does not depend on the order of events", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const known = new Map<string, string>();
      for (const changes of run(steps)) {
        expect(new Set(changes.map(({ key }) => key)).size).toBe(changes.length);
        for (const { key, before, after } of changes) {
          expect(known.get(key)).toBe(before);
          expect(after).not.toBe(before);
          if (after === undefined) known.delete(key);
          else known.set(key, after);
        }
      }
      expect(known).toEqual(expected(steps));
    }),
  );
});
