/** Documents for `iptables-restore --noflush`: a change of some chains, everything else left alone. */
import { badRule, chainName } from "./names.ts";
import type { Table } from "./types.ts";

/** The changes of one table, which the kernel takes as one. */
export interface TableChange {
  readonly table: Table;
  /** Chains to create, or to empty where they exist. */
  readonly chains?: readonly string[];
  /** Rendered lines (`renderRule`), in order. Jumps may go to any chain that exists or is listed here. */
  readonly lines?: readonly string[];
  /** Chains to empty and delete; no rule may jump to them any more. */
  readonly deletedChains?: readonly string[];
}

/**
 * Renders changes to tables that exist. Each table commits by itself, in the order given: when one is refused, those
 * before it have been applied. Throws IPTABLES_BAD_RULE for a chain name that is none and a line that is two.
 */
export function renderChanges(changes: readonly TableChange[]): string {
  let text = "";
  for (const { table, chains = [], lines = [], deletedChains = [] } of changes) {
    text += `*${table}\n`;
    for (const chain of chains) text += `:${chainName(chain)} - [0:0]\n`;
    for (const chain of deletedChains) text += `:${chainName(chain)} - [0:0]\n`;
    for (const line of lines) {
      if (line.includes("\n")) throw badRule(`newline in ${JSON.stringify(line)}`);
      text += `${line}\n`;
    }
    for (const chain of deletedChains) text += `-X ${chain}\n`;
    text += "COMMIT\n";
  }
  return text;
}
