/** Removes what modes leave on a node: before another mode starts, and when the proxy is to go for good. */
import type { ProxyMode } from "../config/proxy-config.ts";
import { deleteTable } from "../kernel/nf-tables.ts";
import type { Logger } from "../logging/logger.ts";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";
import { removeSets } from "./ip-sets/remove-sets.ts";
import { IPTABLES_TELLTALE, iptablesBelongings } from "./iptables/cleanup.ts";
import { apartFrom } from "./iptables-chains/apart-from.ts";
import {
  type ChainRef,
  type FindBelongings,
  removeFromAllVariants,
} from "./iptables-chains/remove-chains.ts";
import { IPVS_CHAINS, IPVS_TELLTALE, removeServers } from "./ipvs/cleanup.ts";
import { setTable as ipvsSetTable } from "./ipvs/set-specs.ts";
import { removeSetsAndRouting, USERSPACE_CHAINS, USERSPACE_TELLTALE } from "./userspace/cleanup.ts";

/**
 * Removes some of a mode's objects of one family, whoever made them. Returns whether there were any; `shared` if they may
 * as well be another mode's.
 */
type Remover = (family: IpFamily) => boolean | Promise<boolean | "shared">;

type ModeRemover = readonly [ProxyMode, Remover];

/** The table that nftables mode, ours or upstream's, keeps in each family. */
export const NFTABLES_TABLE = "kube-proxy";

interface ChainMode {
  readonly mode: ProxyMode;
  readonly find: FindBelongings;
  readonly telltale: ChainRef;
}

/** The modes that keep chains in iptables. They share some, so they are removed one after the other. */
const CHAINS: readonly ChainMode[] = [
  { mode: "userspace", find: () => USERSPACE_CHAINS, telltale: USERSPACE_TELLTALE },
  { mode: "ipvs", find: () => IPVS_CHAINS, telltale: IPVS_TELLTALE },
  { mode: "iptables", find: iptablesBelongings, telltale: IPTABLES_TELLTALE },
];

/** Chains that tell that a mode has, or had, rules in iptables. */
export const TELLTALES: readonly Pick<ChainMode, "mode" | "telltale">[] = CHAINS;

export interface RemovalOptions {
  /** Leave the virtual servers of ipvs mode, their addresses, and the set that tells whose they are. Default: all goes. */
  readonly keepVirtualServers?: boolean;
}

/** What else the modes have, and must be removed before rules that refer to it. */
function beforeChains({ keepVirtualServers }: RemovalOptions): readonly ModeRemover[] {
  return [
    ["nftables", (family) => deleteTable(family, NFTABLES_TABLE)],
    ...(keepVirtualServers ? [] : [["ipvs", removeServers] as const]),
  ];
}

/** What must be removed after them. */
function afterChains({ keepVirtualServers }: RemovalOptions): readonly ModeRemover[] {
  const removeIpvsSets = (family: IpFamily): boolean => {
    const sets = new Map(ipvsSetTable(family));
    if (keepVirtualServers) sets.delete("servers");
    return removeSets(sets);
  };
  return [
    ["ipvs", removeIpvsSets],
    ["userspace", removeSetsAndRouting],
  ];
}

/**
 * Removes the objects of every mode except one, in both families: they would answer before that mode's own do. What is
 * missing is no error. Does not reject: failures are logged, and the number of them is returned.
 */
export async function removeLeftovers(
  kept: ProxyMode | undefined,
  logger: Logger,
  options: RemovalOptions = {},
): Promise<number> {
  const removers = [...beforeChains(options), ...chainRemovers(kept), ...afterChains(options)];
  let failures = 0;
  const removeFrom = async (family: IpFamily): Promise<void> => {
    const removed = new Set<ProxyMode>();
    const shared = new Set<ProxyMode>();
    for (const [mode, remover] of removers) {
      if (mode === kept) continue;
      try {
        const had = await remover(family);
        if (had) (had === "shared" ? shared : removed).add(mode);
      } catch (error) {
        failures++;
        logger.error({ err: error, mode, family }, "could not remove all rules of a mode");
      }
    }
    // What modes share is told as a mode's only if none was there that explains it.
    const told = CHAINS.some(({ mode }) => removed.has(mode)) ? removed : new Set([...removed, ...shared]);
    for (const mode of told) logger.info({ mode, family }, "removed the rules of a mode");
  };
  await Promise.all(IP_FAMILIES.map(removeFrom));
  return failures;
}

function chainRemovers(kept: ProxyMode | undefined): readonly ModeRemover[] {
  return chainRemovals(kept).map(({ mode, find, telltale, onlyIfThere }) => {
    const [table, chain] = telltale;
    const remover: Remover = async (family) => {
      let there = false;
      const watched: FindBelongings = (kernel) => {
        there ||= kernel[table].has(chain);
        return find(kernel);
      };
      const had = await removeFromAllVariants(family, watched, onlyIfThere ? telltale : undefined);
      return had && (there || "shared");
    };
    return [mode, remover];
  });
}

/** How to remove the chains of a mode. */
export interface ChainRemoval {
  readonly mode: ProxyMode;
  readonly find: FindBelongings;
  readonly telltale: ChainRef;
  /** Without the telltale there is nothing to remove. Else whatever is there goes. */
  readonly onlyIfThere: boolean;
}

/**
 * Removals of all modes but the kept one, to be done in this order. What modes share goes with the last one that has it,
 * and stays if the kept one has it. Pure.
 */
export function chainRemovals(kept: ProxyMode | undefined): readonly ChainRemoval[] {
  // Without a mode to be kept, everything goes, also what an interrupted start has left.
  const keptHasChains = CHAINS.some(({ mode }) => mode === kept);
  return CHAINS.filter(({ mode }) => mode !== kept).map(({ mode, find, telltale }) => {
    const later = CHAINS.slice(CHAINS.findIndex((each) => each.mode === mode) + 1);
    const findApart: FindBelongings = (kernel) => {
      // What is shared cannot be left to a mode that will not be removed, for want of its telltale.
      const removedLater = later.filter(
        ({ telltale: [table, chain] }) => !keptHasChains || kernel[table].has(chain),
      );
      const others = CHAINS.filter((other) => other.mode === kept || removedLater.includes(other));
      return others.reduce((going, other) => apartFrom(going, other.find(kernel), kernel), find(kernel));
    };
    return { mode, find: findApart, telltale, onlyIfThere: keptHasChains };
  });
}
