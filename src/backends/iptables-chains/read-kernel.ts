/** Reads the tables the proxy writes to. */
import { type IpTablesClient, parseSave } from "#iptables-promise";
import type { ChainRules, KernelState } from "./kernel-state.ts";
import type { RestoreTable } from "./restore-block.ts";

/** Reads nat, filter and mangle. Rejects with an IpTablesError. */
export async function readKernel(iptables: IpTablesClient): Promise<KernelState> {
  const [nat, filter, mangle] = await Promise.all(
    (["nat", "filter", "mangle"] as const).map((table) => readTable(iptables, table)),
  );
  return {
    family: iptables.family,
    nat: nat ?? new Map(),
    filter: filter ?? new Map(),
    mangle: mangle ?? new Map(),
  };
}

async function readTable(iptables: IpTablesClient, table: RestoreTable): Promise<ChainRules> {
  const { text } = await iptables.save(table);
  const chains = new Map<string, readonly string[]>();
  for (const saved of parseSave(text).tables) {
    if (saved.name !== table) continue;
    for (const [name, chain] of saved.chains)
      chains.set(
        name,
        chain.rules.map((rule) => rule.line),
      );
  }
  return chains;
}
