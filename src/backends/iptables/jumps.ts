/** Rules in the kernel's own chains that lead into ours, and everything that cleaning up has to find. */
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import { CHAIN } from "./names.ts";

/** The tables that hold rules. */
export type Table = "filter" | "nat";

function jump(table: Table, from: string, to: string, comment: string, when?: "new"): JumpRule<Table> {
  return { table, from, to, newOnly: when === "new", comment };
}

const EXTERNAL = "kubernetes externally-visible service portals";
const PORTALS = "kubernetes service portals";
const FIREWALL = "kubernetes load balancer firewall";

/** The jumps that belong to the proxy alone. */
const OWN_JUMPS: readonly JumpRule<Table>[] = [
  jump("filter", "INPUT", CHAIN.externalServices, EXTERNAL, "new"),
  jump("filter", "FORWARD", CHAIN.externalServices, EXTERNAL, "new"),
  jump("filter", "INPUT", CHAIN.nodePorts, "kubernetes health check service ports"),
  jump("filter", "FORWARD", CHAIN.services, PORTALS, "new"),
  jump("filter", "OUTPUT", CHAIN.services, PORTALS, "new"),
  jump("filter", "FORWARD", CHAIN.forward, "kubernetes forwarding rules"),
  jump("filter", "INPUT", CHAIN.proxyFirewall, FIREWALL, "new"),
  jump("filter", "OUTPUT", CHAIN.proxyFirewall, FIREWALL, "new"),
  jump("filter", "FORWARD", CHAIN.proxyFirewall, FIREWALL, "new"),
  jump("nat", "OUTPUT", CHAIN.services, PORTALS),
  jump("nat", "PREROUTING", CHAIN.services, PORTALS),
  jump("nat", "POSTROUTING", CHAIN.postrouting, "kubernetes postrouting rules"),
];

/** The jumps into the chain that kubelet may own as well. */
const FIREWALL_JUMPS: readonly JumpRule<Table>[] = [
  jump("filter", "INPUT", CHAIN.firewall, ""),
  jump("filter", "OUTPUT", CHAIN.firewall, ""),
];

/**
 * Every jump, in the order of installation. Each is put at the head of its chain, so a clean node ends up with the
 * reverse order; the chains are written so that their order does not matter.
 */
export const JUMP_RULES: readonly JumpRule<Table>[] = [...OWN_JUMPS, ...FIREWALL_JUMPS];

/**
 * What to remove when the mode is given up, besides the chains that isServiceChain recognises in nat. KUBE-FIREWALL
 * and its jumps go only where kubelet, which owns the same chain by the same name, is not there.
 */
export const CLEANUP = {
  jumps: OWN_JUMPS,
  firewallJumps: FIREWALL_JUMPS,
  chains: {
    nat: [CHAIN.services, CHAIN.nodePorts, CHAIN.postrouting, CHAIN.markMasquerade, CHAIN.canary],
    filter: [
      CHAIN.services,
      CHAIN.externalServices,
      CHAIN.forward,
      CHAIN.nodePorts,
      CHAIN.proxyFirewall,
      CHAIN.canary,
    ],
    mangle: [CHAIN.canary],
  },
} as const satisfies {
  jumps: readonly JumpRule<Table>[];
  firewallJumps: readonly JumpRule<Table>[];
  chains: Record<Table | "mangle", readonly string[]>;
};
