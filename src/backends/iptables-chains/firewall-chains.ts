/** Who may begin a connection to a Service, as constant chains that look into sets. Pure. */
import type { LocalTraffic } from "../local-traffic.ts";
import { renderLocalTraffic } from "./local-traffic.ts";
import { COMMON_CHAIN } from "./names.ts";
import { commentMatch } from "./rule-text.ts";
import { matchSet } from "./set-match.ts";

/** The chain that a load balancer with source ranges has to pass. */
export const SOURCE_RANGES_CHAIN = "KUBE-SOURCE-RANGES-FIREWALL";

/** Sets that the chains look into. */
export type FirewallSet =
  /** Closed to everybody, and to all but pods and the node: policy Local, and no endpoint here. */
  | "noLocalInternal"
  | "noLocalExternal"
  /** Load balancers with source ranges; with whom they admit: networks, and single addresses. */
  | "loadBalancerFirewall"
  | "loadBalancerSources"
  | "loadBalancerSelf";

/**
 * KUBE-PROXY-FIREWALL and the chain that it jumps to. They must stand where packets still have the address of the Service.
 * Only first packets are judged: connections go on when the last endpoint of this node, or a range, goes.
 */
export function firewallChains(
  nameOf: (set: FirewallSet) => string,
  localTraffic: LocalTraffic | undefined,
): ReadonlyMap<string, readonly string[]> {
  const to = `-A ${COMMON_CHAIN.proxyFirewall}`;
  const ranges = `-A ${SOURCE_RANGES_CHAIN}`;
  const match = (set: FirewallSet): string =>
    `${matchSet(nameOf(set), "dst,dst")} -m conntrack --ctstate NEW`;
  const notPods = localTraffic === undefined ? "" : ` ! ${renderLocalTraffic(localTraffic)}`;
  const noLocal = commentMatch("no local endpoints");
  const guarded = commentMatch(
    "Kubernetes service load balancer ip + port for load balancer with sourceRange",
  );
  return new Map([
    [
      SOURCE_RANGES_CHAIN,
      [
        `${ranges} ${matchSet(nameOf("loadBalancerSources"), "dst,dst,src")} -j RETURN`,
        `${ranges} ${matchSet(nameOf("loadBalancerSelf"), "dst,dst,src")} -j RETURN`,
        `${ranges} -j DROP`,
      ],
    ],
    [
      COMMON_CHAIN.proxyFirewall,
      [
        `${to} ${noLocal} ${match("noLocalInternal")} -j DROP`,
        `${to} ${noLocal} ${match("noLocalExternal")}${notPods} -m addrtype ! --src-type LOCAL -j DROP`,
        `${to} ${guarded} ${match("loadBalancerFirewall")} -j ${SOURCE_RANGES_CHAIN}`,
      ],
    ],
  ]);
}
