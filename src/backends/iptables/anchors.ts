/**
 * What of our rules is looked at to notice a flush: all of them would be too many. A flush without deletion (`iptables -F`)
 * leaves every chain in place, so canary chains alone would not tell: in each table a chain that is never empty is looked
 * at as well.
 */
import { type IpTablesClient, isNotFound } from "#iptables-promise";
import type { RestoreTable } from "../iptables-chains/restore-block.ts";
import { CHAIN } from "./names.ts";

/** Chains of constant content, small enough to read often, and one jump that leads into ours. */
const ANCHORS: readonly { table: RestoreTable; chain: string; contains: string | undefined }[] = [
  { table: "mangle", chain: CHAIN.canary, contains: undefined },
  { table: "nat", chain: CHAIN.canary, contains: undefined },
  { table: "nat", chain: CHAIN.postrouting, contains: "MASQUERADE" },
  { table: "nat", chain: "PREROUTING", contains: CHAIN.services },
  { table: "filter", chain: CHAIN.canary, contains: undefined },
  { table: "filter", chain: CHAIN.forward, contains: "ACCEPT" },
  { table: "filter", chain: "FORWARD", contains: CHAIN.forward },
];

/** The first anchor that is gone, in words; undefined when all are there. Rejects with an IpTablesError. */
export async function missingAnchor(iptables: IpTablesClient): Promise<string | undefined> {
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
