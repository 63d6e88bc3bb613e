/**
 * Orders changes into blocks that can be committed one after the other without a packet seeing a half-made Service:
 * a chain exists before anything jumps to it and is deleted only after nothing does.
 *
 * A small change is one commit per table. A big one is cut, because `iptables-nft-restore` keeps the names of all
 * chains of a block in one sorted list that it walks for every line: its time grows with the square of the block and,
 * once the list no longer fits the processor's caches, faster still.
 */

import {
  emptyBlock,
  isEmpty,
  mergeInto,
  NOBODY,
  type OwnedLine,
  type RestoreBlock,
  removalBlock,
} from "../iptables-chains/restore-block.ts";
import type { ServiceDelta } from "./service-delta.ts";

/** The parts of a pass, in the order they are needed. */
export interface PlanInput {
  /** Constant chains that rules of Services jump to. */
  readonly head: RestoreBlock;
  /** May be lazy: each delta is rendered and forgotten before the next is asked for. */
  readonly deltas: Iterable<ServiceDelta>;
  /** Called once all deltas have been taken. `nat` holds the dispatch, `stale` names chains nobody claims. */
  readonly finish: () => {
    readonly filter: RestoreBlock;
    readonly nat: RestoreBlock;
    readonly mangle: RestoreBlock;
    readonly stale: readonly string[];
  };
  /** Chains in one commit; Infinity where cutting does not pay (iptables-legacy replaces the whole table each time). */
  readonly chainsPerCommit: number;
}

/** Chains in one commit of iptables-nft: measured best between 300 and 1,000 on iptables 1.8.9. */
export const NFT_CHAINS_PER_COMMIT = 600;

/** Yields the blocks to commit, in order; none when there is nothing to do. */
export function* planBlocks(input: PlanInput): Generator<RestoreBlock> {
  let chains = input.head;
  let cut = false;
  const removals: OwnedLine[] = [];
  for (const delta of input.deltas) {
    for (const [name, rules] of delta.write) {
      chains.declare.push([name, delta.key]);
      for (const rule of rules) chains.rules.push([rule, delta.key]);
    }
    for (const name of delta.remove) removals.push([name, delta.key]);
    if (chains.declare.length >= input.chainsPerCommit) {
      cut = true;
      yield sortedForNft(chains);
      chains = emptyBlock("nat");
    }
  }
  const { filter, nat, mangle, stale } = input.finish();
  for (const name of stale) removals.push([name, NOBODY]);
  cut ||= removals.length > input.chainsPerCommit;
  if (cut && !isEmpty(chains)) {
    yield sortedForNft(chains);
    chains = emptyBlock("nat");
  }
  yield* [mangle, filter].filter((block) => !isEmpty(block));
  mergeInto(chains, nat);
  if (!cut) mergeInto(chains, removalBlock("nat", removals));
  if (!isEmpty(chains)) yield chains;
  if (cut) yield* removalBlocks(removals, input.chainsPerCommit);
}

/** Deletes chains, in commits of so many. */
function* removalBlocks(chains: readonly OwnedLine[], size: number): Generator<RestoreBlock> {
  const owners = new Map(chains);
  for (const portion of removalPortions([...owners.keys()], size)) {
    yield removalBlock(
      "nat",
      portion.map((chain) => [chain, owners.get(chain) ?? NOBODY]),
    );
  }
}

/** Callers before callees, so that no commit deletes a chain that one of a later commit still jumps to. */
export function removalPortions(chains: readonly string[], size: number): readonly (readonly string[])[] {
  const ordered = chains.toSorted((a, b) => removalRank(a) - removalRank(b));
  const portions: string[][] = [];
  for (let i = 0; i < ordered.length; i += size) portions.push(ordered.slice(i, i + size));
  return portions;
}

function removalRank(chain: string): number {
  if (chain.startsWith("KUBE-FW-")) return 0;
  if (chain.startsWith("KUBE-SEP-")) return 3;
  return chain.startsWith("KUBE-SV") ? 2 : 1;
}

/** Descending names enter the sorted list of `iptables-nft-restore` at its head, the cheap end. */
function sortedForNft(block: RestoreBlock): RestoreBlock {
  block.declare.sort(([a], [b]) => (a < b ? 1 : -1));
  return block;
}
