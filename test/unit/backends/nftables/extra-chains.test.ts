import { expect, test } from "vitest";
import { u32 } from "../../../../src/backends/nftables/bytes.ts";
import type { ElementChange } from "../../../../src/backends/nftables/element-change.ts";
import { ExtraChains } from "../../../../src/backends/nftables/extra-chains.ts";
import { tableOptions } from "./table.ts";

const counts = (after: number | undefined): ElementChange => ({
  set: "local-endpoint-counts",
  key: "key",
  before: undefined,
  after: after === undefined ? undefined : u32(after),
});
const affinity = (after: string): ElementChange => ({
  set: "nodeport-affinity-services",
  key: "key",
  before: undefined,
  after,
});

/** Chains that requests make or add to, each once. */
function chainsIn(requests: readonly { readonly payload: Uint8Array }[]): readonly string[] {
  const text = requests.map(({ payload }) => Buffer.from(payload).toString("latin1")).join();
  return [...new Set(text.match(/draw-\d+|[a-z-]+affinity-\d+/g))];
}

test("each chain is made when it is first needed", () => {
  const chains = new ExtraChains(tableOptions(), ["draw-2"]);
  const needed = [counts(2), counts(3), counts(3), affinity("nodeport-pick-affinity-60")];
  expect(chainsIn(chains.requestsFor(needed))).toEqual(["draw-3", "nodeport-pick-affinity-60"]);
  chains.committed();
  chains.failed(); // Nothing of what is committed is forgotten.
  expect(chains.requestsFor(needed)).toEqual([]);
});

test("what failed is made again, what was there is not", () => {
  const chains = new ExtraChains(tableOptions(), ["draw-2"]);
  const first = chains.requestsFor([counts(3), counts(2)]);
  chains.failed();
  expect(chains.requestsFor([counts(3), counts(2)])).toEqual(first);
});

test.each([
  ["an element that goes", counts(undefined)],
  ["another set", { ...counts(3), set: "endpoints" }],
  ["a chain that is none of ours", affinity("somewhere")],
])("nothing is made for %s", (_what, change) => {
  expect(new ExtraChains(tableOptions(), []).requestsFor([change])).toEqual([]);
});
