/** What `nft -j list table` prints, without what may differ between two tables that do the same. */

interface Listed {
  readonly name?: string;
  readonly chain?: string;
  readonly elem?: readonly unknown[];
}

/** Handles are given in the order of making; counters and ages go on by themselves. */
const PASSING = new Set(["handle", "expires", "packets", "bytes"]);

/**
 * The objects of a table: `chain NAME`, `set NAME`, `map NAME` with elements sorted, and `rules NAME` of each chain in their
 * order. Throws a SyntaxError when the text is not JSON.
 */
export function tableState(json: string): Readonly<Record<string, unknown>> {
  const { nftables } = JSON.parse(json, (key, value) => (PASSING.has(key) ? undefined : value)) as {
    nftables: readonly Readonly<Record<string, Listed>>[];
  };
  const state: Record<string, unknown> = {};
  const rules = Map.groupBy(
    nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule])),
    ({ chain }) => chain,
  );
  for (const [chain, ofChain] of rules) state[`rules ${chain}`] = ofChain;
  for (const [kind, value] of nftables.flatMap((object) => Object.entries(object))) {
    const { name, elem } = value;
    if (kind === "metainfo" || kind === "rule") continue;
    state[`${kind} ${name}`] = elem === undefined ? value : { ...value, elem: sortedByText(elem) };
  }
  return state;
}

function sortedByText(elements: readonly unknown[]): readonly unknown[] {
  return elements
    .map((element) => [JSON.stringify(element), element] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, element]) => element);
}
