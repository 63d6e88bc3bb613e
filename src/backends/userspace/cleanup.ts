/** Removes what the mode, ours or upstream's, has made. */
import { removePolicyRoutes } from "../../kernel/policy-routing.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import type { IpFamily } from "../../model/types.ts";
import { removeSets } from "../ip-sets/remove-sets.ts";
import { namesInBothFamilies } from "../ip-sets/set-names.ts";
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import { type Belongings, type ChainRef, removeFromAllVariants } from "../iptables-chains/remove-chains.ts";
import { usesSet } from "../iptables-chains/set-match.ts";
import { CHAIN, MARKED, SET } from "./names.ts";
import { JUMPS } from "./rules.ts";
import { setTable } from "./set-specs.ts";

/** Chains and jumps of upstream's that ours do without. */
const NODE_PORT_CHAINS = ["KUBE-NODEPORT-CONTAINER", "KUBE-NODEPORT-HOST"];
const NODE_PORTS = "handle service NodePorts; NOTE: this must be the last rule in the chain";

const nodePortJump = (from: string, to: string): JumpRule => ({
  table: "nat",
  from,
  to,
  comment: NODE_PORTS,
  newOnly: false,
  localOnly: true,
});

const SET_NAMES = namesInBothFamilies(SET);

/** What of the mode can be in iptables. */
export const USERSPACE_CHAINS: Belongings = {
  jumps: [
    ...JUMPS,
    nodePortJump("PREROUTING", "KUBE-NODEPORT-CONTAINER"),
    nodePortJump("OUTPUT", "KUBE-NODEPORT-HOST"),
  ],
  chains: {
    nat: [CHAIN.portalsContainer, CHAIN.portalsHost, ...NODE_PORT_CHAINS, CHAIN.canary],
    filter: [CHAIN.services, CHAIN.nonLocal, CHAIN.canary],
    mangle: [CHAIN.keepSource, CHAIN.proxyFirewall, CHAIN.sourceRanges, CHAIN.canary],
  },
  isOnlyOurs: (rule) => usesSet(rule, SET_NAMES),
};

/** A chain that is there whenever the mode runs, and in no other. */
export const USERSPACE_TELLTALE: ChainRef = ["nat", CHAIN.portalsContainer];

/** Removes everything of one family. Rejects as the steps do. */
export async function removeUserspaceMode(family: IpFamily): Promise<void> {
  await removeFromAllVariants(family, () => USERSPACE_CHAINS);
  removeSetsAndRouting(family);
}

/**
 * Removes what is left when the chains are gone: routes by mark, and the sets, which no rule may use any more. Returns
 * whether there were any. Throws a NetlinkError.
 */
export function removeSetsAndRouting(family: IpFamily): boolean {
  const routed = removeRoutes(family);
  return removeSets(setTable(family)) || routed;
}

function removeRoutes(family: IpFamily): boolean {
  using socket = openRtnetlink();
  return removePolicyRoutes(socket, family, MARKED.table);
}
