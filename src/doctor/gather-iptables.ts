/** Which variants of iptables the host has rules in, and whose. */
import { IpTables } from "#iptables-promise";
import { legacyTablesExist } from "../backends/iptables-chains/remove-chains.ts";
import { TELLTALES } from "../backends/leftovers.ts";
import type { ProxyMode } from "../config/proxy-config.ts";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";
import type { DefaultIptables, VariantFacts } from "./facts.ts";

/** Chains that only kubelet makes. */
const KUBELET = /^:KUBE-(KUBELET-CANARY|IPTABLES-HINT) /m;

/** Reads all tables of all variants; a variant that is not installed, or cannot be read, is missing. */
export async function gatherIptables(): Promise<{
  readonly defaults: readonly DefaultIptables[];
  readonly variants: readonly VariantFacts[];
}> {
  const defaults: DefaultIptables[] = [];
  const variants: VariantFacts[] = [];
  for (const family of IP_FAMILIES) {
    try {
      defaults.push({ family, ...(await new IpTables({ family }).version()) });
    } catch {
      // Not installed, or not to be run.
    }
    for (const variant of ["nft", "legacy"] as const) {
      const text = await saved(family, variant);
      if (text !== undefined) variants.push({ family, variant, ...describeRules(text) });
    }
  }
  return { defaults, variants };
}

async function saved(family: IpFamily, variant: VariantFacts["variant"]): Promise<string | undefined> {
  // Merely listing a legacy table makes the kernel create it.
  if (variant === "legacy" && !legacyTablesExist(family)) return undefined;
  try {
    return (await new IpTables({ family, variant }).save()).text;
  } catch {
    return undefined;
  }
}

/** What a save document tells of who made its rules. Pure. */
export function describeRules(text: string): Pick<VariantFacts, "modes" | "hasKubelet" | "otherRules"> {
  const modes = TELLTALES.filter(({ telltale: [table, chain] }) => hasChain(text, table, chain));
  const rules = text.match(/^-A .*$/gm) ?? [];
  return {
    modes: modes.map(({ mode }): ProxyMode => mode),
    hasKubelet: KUBELET.test(text),
    otherRules: rules.filter((rule) => !rule.includes("KUBE-")).length,
  };
}

function hasChain(text: string, table: string, chain: string): boolean {
  const section = text.split(/^\*/m).find((part) => part.startsWith(`${table}\n`));
  return section?.includes(`\n:${chain} `) ?? false;
}
