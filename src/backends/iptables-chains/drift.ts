/**
 * Notices that somebody flushed or replaced our tables. A flush without deletion (`iptables -F`) leaves every chain in
 * place, so canary chains alone would not tell: in each table a chain that is never empty is looked at as well.
 */
import { type IpTablesClient, isNotFound } from "#iptables-promise";
import { COMMON_CHAIN } from "./names.ts";
import type { RestoreTable } from "./restore-block.ts";

/** Chains of constant content that every mode has, small enough to read often, and one jump that leads into ours. */
const ANCHORS: readonly { table: RestoreTable; chain: string; contains: string | undefined }[] = [
  { table: "mangle", chain: COMMON_CHAIN.canary, contains: undefined },
  { table: "nat", chain: COMMON_CHAIN.canary, contains: undefined },
  { table: "nat", chain: COMMON_CHAIN.postrouting, contains: "MASQUERADE" },
  { table: "nat", chain: "PREROUTING", contains: COMMON_CHAIN.services },
  { table: "filter", chain: COMMON_CHAIN.canary, contains: undefined },
  { table: "filter", chain: COMMON_CHAIN.forward, contains: "ACCEPT" },
  { table: "filter", chain: "FORWARD", contains: COMMON_CHAIN.forward },
];

/** Looks for lost anchors; on iptables-nft only when the ruleset changed at all since all were last seen in place. */
export class DriftDetector {
  readonly #iptables: IpTablesClient;
  readonly #readGeneration: (() => number) | undefined;
  #intactGeneration: number | undefined;

  /** `readGeneration` is undefined where the kernel keeps no such number: iptables-legacy. */
  constructor(iptables: IpTablesClient, readGeneration: (() => number) | undefined) {
    this.#iptables = iptables;
    this.#readGeneration = readGeneration;
  }

  /** The first anchor that is gone, in words; undefined when all are there. Rejects when that cannot be found out. */
  async check(): Promise<string | undefined> {
    // Read before looking: a change made meanwhile is then looked for the next time.
    const generation = this.#readGeneration?.();
    if (generation !== undefined && generation === this.#intactGeneration) return undefined;
    const missing = await missingAnchor(this.#iptables);
    if (missing === undefined) this.#intactGeneration = generation;
    return missing;
  }
}

async function missingAnchor(iptables: IpTablesClient): Promise<string | undefined> {
  for (const { table, chain, contains } of ANCHORS) {
    try {
      const rules = await iptables.listChain(table, chain);
      if (contains !== undefined && !rules.some((rule) => rule.includes(` -j ${contains}`))) {
        return `table ${table}: chain ${chain} has lost its rule for ${contains}`;
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return `table ${table}: chain ${chain} is gone`;
    }
  }
  return undefined;
}
