/** What an owner claims as a whole, replaced as a whole. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClaimLedger, NO_SERVICE, uniqueClaims } from "../../../src/backends/claim-ledger.ts";
import type { Claim } from "../../../src/backends/claims.ts";

const claim = (key: string, value = "", set = "s"): Claim => ({ set, key, value });

interface Entry {
  readonly claims: readonly Claim[];
}

function ledgerOf(entries: Readonly<Record<string, readonly Claim[]>>): ClaimLedger<Entry> {
  const ledger = new ClaimLedger<Entry>();
  for (const [owner, claims] of Object.entries(entries)) ledger.replace(owner, { claims });
  return ledger;
}

describe("an owner's claims", () => {
  test("are replaced, and only what differs is a change", () => {
    const ledger = ledgerOf({ a: [claim("stays"), claim("changes", "1"), claim("goes")] });
    ledger.takeChanges();
    ledger.replace("a", { claims: [claim("stays"), claim("changes", "2"), claim("comes")] });
    expect(ledger.takeChanges()).toEqual([
      { set: "s", key: "changes", before: "1", after: "2" },
      { set: "s", key: "comes", before: undefined, after: "" },
      { set: "s", key: "goes", before: "", after: undefined },
    ]);
  });

  test("may have one key in two sets", () => {
    const ledger = ledgerOf({ a: [claim("k", "1", "s"), claim("k", "2", "t")] });
    ledger.takeChanges();
    ledger.replace("a", { claims: [claim("k", "2", "t")] });
    expect(ledger.takeChanges()).toEqual([{ set: "s", key: "k", before: "1", after: undefined }]);
  });

  test("are remembered with the rest of the entry", () => {
    const ledger = new ClaimLedger<Entry & { readonly note: string }>();
    ledger.replace("a", { claims: [claim("k")], note: "n" });
    expect(ledger.get("a")?.note).toBe("n");
    expect([...ledger.entries()].map(([owner]) => owner)).toEqual(["a"]);
  });

  test("are forgotten when there are none", () => {
    const ledger = ledgerOf({ a: [claim("k")] });
    ledger.replace("a", { claims: [] });
    expect([ledger.get("a"), ledger.owners(), ledger.takeChanges()]).toEqual([undefined, [], []]);
  });
});

describe("of a claim that two have", () => {
  const ledger = ledgerOf({ b: [claim("k", "of b"), claim("b's")], a: [claim("k", "of a")] });

  test("only the first one's counts", () => {
    expect(ledger.ownerOf(claim("k"))).toBe("a");
    expect([ledger.counts("a", claim("k")), ledger.counts("b", claim("k"))]).toEqual([true, false]);
    expect([...ledger.effective("b")]).toEqual([claim("b's")]);
    expect([...ledger.effectiveClaims()]).toEqual([claim("b's"), claim("k", "of a")]);
  });

  test("nobody owns what nobody claims, and an owner that is not there has nothing", () => {
    expect(ledger.ownerOf(claim("other"))).toBeUndefined();
    expect([...ledger.effective("c")]).toEqual([]);
  });
});

test("owners that others depend on come first, before all what no Service owns", () => {
  const names = ["x/y", "kube-system/kube-dns", NO_SERVICE, "a/b", "default/kubernetes"];
  const ledger = ledgerOf(Object.fromEntries(names.map((name) => [name, [claim(name)]])));
  expect(ledger.owners()).toEqual(["kube-system/kube-dns", NO_SERVICE, "default/kubernetes", "x/y", "a/b"]);
});

test("of claims of one name the first is kept", () => {
  expect(uniqueClaims([claim("k", "1"), claim("l"), claim("k", "2"), claim("k", "3", "t")])).toEqual([
    claim("k", "1"),
    claim("l"),
    claim("k", "3", "t"),
  ]);
});

const claimsOfOne = fc
  .array(
    fc.record({
      set: fc.constantFrom("s", "t"),
      key: fc.constantFrom("k", "l"),
      value: fc.constantFrom("1", "2"),
    }),
  )
  .map(uniqueClaims);

test("changes lead from nothing to what counts, whatever the history", () => {
  const step = fc.record({ owner: fc.constantFrom("a", "b", "c"), claims: claimsOfOne, take: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      const ledger = new ClaimLedger<Entry>();
      const known = new Map<string, string>();
      const take = (): void => {
        for (const { set, key, before, after } of ledger.takeChanges()) {
          expect(known.get(`${set} ${key}`)).toBe(before);
          if (after === undefined) known.delete(`${set} ${key}`);
          else known.set(`${set} ${key}`, after);
        }
      };
      for (const { owner, claims, take: now } of steps) {
        ledger.replace(owner, { claims });
        if (now) take();
      }
      take();
      const effective = [...ledger.effectiveClaims()].map(
        ({ set, key, value }) => [`${set} ${key}`, value] as const,
      );
      expect(known).toEqual(new Map(effective));
      expect(effective).toHaveLength(known.size);
    }),
  );
});
