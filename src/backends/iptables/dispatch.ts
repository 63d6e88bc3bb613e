/** The shared chains to which Services contribute lines, by the field of CompiledService that holds the lines. */
import type { Table } from "./jumps.ts";
import { CHAIN } from "./names.ts";

/** A shared chain and where a Service's line goes in it. */
interface SharedChain {
  readonly table: Table;
  readonly chain: string;
  /** `-I` where the chain ends in constant rules that must stay last; order among Services does not matter. */
  readonly verb: "-A" | "-I";
}

/** Every shared chain that Services contribute to. */
export const DISPATCH = {
  filterServices: { table: "filter", chain: CHAIN.services, verb: "-A" },
  filterExternal: { table: "filter", chain: CHAIN.externalServices, verb: "-A" },
  filterFirewall: { table: "filter", chain: CHAIN.proxyFirewall, verb: "-A" },
  filterNodePorts: { table: "filter", chain: CHAIN.nodePorts, verb: "-A" },
  natServices: { table: "nat", chain: CHAIN.services, verb: "-I" },
  natNodePorts: { table: "nat", chain: CHAIN.nodePorts, verb: "-A" },
} as const satisfies Record<string, SharedChain>;

export type DispatchField = keyof typeof DISPATCH;

export const DISPATCH_FIELDS = Object.keys(DISPATCH) as readonly DispatchField[];

/** The same rule as a deletion: `-A CHAIN …` → `-D CHAIN …`. */
export function deletion(line: string): string {
  return `-D${line.slice(2)}`;
}
