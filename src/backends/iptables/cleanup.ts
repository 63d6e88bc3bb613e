/** What this mode has in a kernel, for removing it. */
import type { IpTablesClient } from "#iptables-promise";
import { hasRule, type KernelState } from "../iptables-chains/kernel-state.ts";
import { type Belongings, type ChainRef, removeChains } from "../iptables-chains/remove-chains.ts";
import { LOCALNET_RULE } from "./compile-constant.ts";
import { CLEANUP } from "./jumps.ts";
import { CHAIN, isServiceChain } from "./names.ts";
import { NFT_CHAINS_PER_COMMIT, removalPortions } from "./restore-plan.ts";

/** Chains that only kubelet makes. */
const KUBELET_CHAINS = ["KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"];

/** Removes our rules and chains of one family; returns whether there were any. Rejects as `removeChains` does. */
export function removeEverything(iptables: IpTablesClient, chainsPerCommit: number): Promise<boolean> {
  return removeChains(iptables, (kernel) => belongings(kernel, chainsPerCommit));
}

/** A chain that is there whenever the mode runs, ours or upstream's, and that no other mode has. */
export const IPTABLES_TELLTALE: ChainRef = ["nat", CHAIN.nodePorts];

/** What of the mode is in a kernel, or can be. */
export function iptablesBelongings(kernel: KernelState): Belongings {
  return belongings(kernel, NFT_CHAINS_PER_COMMIT);
}

function belongings(kernel: KernelState, chainsPerCommit: number): Belongings {
  const firewallIsOurs = isFirewallOurs(kernel);
  const { filter, nat, mangle } = CLEANUP.chains;
  return {
    jumps: firewallIsOurs ? [...CLEANUP.jumps, ...CLEANUP.firewallJumps] : CLEANUP.jumps,
    chains: { filter: firewallIsOurs ? [...filter, CHAIN.firewall] : filter, nat, mangle },
    natPortions: removalPortions([...kernel.nat.keys()].filter(isServiceChain), chainsPerCommit),
  };
}

/** Without kubelet, and holding nothing but our own rule, KUBE-FIREWALL was made by us alone. */
function isFirewallOurs(kernel: KernelState): boolean {
  const rules = kernel.filter.get(CHAIN.firewall);
  if (rules === undefined || KUBELET_CHAINS.some((chain) => kernel.mangle.has(chain))) return false;
  return rules.every((rule) => hasRule([rule], LOCALNET_RULE, kernel.family));
}
