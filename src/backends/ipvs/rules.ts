/**
 * The rules around the virtual servers. They are constant: Services are entries of the sets that they look into.
 *
 * Packets to a virtual server pass nat PREROUTING and filter INPUT before IPVS sees them; those of the node itself pass
 * mangle and nat OUTPUT, and have the endpoint's address when they come to filter OUTPUT (docs/ipvs.md draws it).
 */
import type { IpFamily, Protocol } from "../../model/types.ts";
import { masqueradedAtClusterIP } from "../decisions.ts";
import type { ConstantRules } from "../iptables-chains/constant-rules.ts";
import { firewallChains } from "../iptables-chains/firewall-chains.ts";
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import { renderLocalTraffic } from "../iptables-chains/local-traffic.ts";
import { LOOPBACK_CIDR } from "../iptables-chains/loopback.ts";
import { markRules, postroutingRules } from "../iptables-chains/masquerade.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import { matchSet } from "../iptables-chains/set-match.ts";
import { CHAIN, type SetRole, setName } from "./names.ts";
import type { IpvsOptions } from "./options.ts";

/** Sets that between them have every address and port of a Service but node ports. */
const ADDRESS_SETS: readonly SetRole[] = ["clusterIP", "loadBalancer", "externalIP", "externalIPLocal"];
const PROTOCOLS: readonly Protocol[] = ["TCP", "UDP", "SCTP"];
const FROM_NODE = "-m addrtype --src-type LOCAL";
const NOT_FROM_NODE = "-m addrtype ! --src-type LOCAL";
const NEW = "-m conntrack --ctstate NEW";

/** What the rules depend on. */
export type RuleOptions = Pick<
  IpvsOptions,
  "family" | "markText" | "randomFully" | "masqueradeAll" | "localTraffic"
>;

/** The jumps, in the order of installation. */
export const JUMPS: readonly JumpRule[] = (
  [
    ["nat", "OUTPUT", CHAIN.services, "kubernetes service portals"],
    ["nat", "PREROUTING", CHAIN.services, "kubernetes service portals"],
    ["nat", "POSTROUTING", CHAIN.postrouting, "kubernetes postrouting rules"],
    ["filter", "FORWARD", CHAIN.forward, "kubernetes forwarding rules"],
    ["filter", "INPUT", CHAIN.nodePort, "kubernetes health check rules"],
    ["filter", "INPUT", CHAIN.proxyFirewall, "kube-proxy firewall rules"],
    ["filter", "INPUT", CHAIN.ipvsFilter, "kubernetes ipvs access filter"],
    // Where the node's own packets still have the address of the Service.
    ["mangle", "OUTPUT", CHAIN.proxyFirewall, "kube-proxy firewall rules"],
  ] as const
).map(([table, from, to, comment]) => ({ table, from, to, comment, newOnly: false }));

/** Compiles everything that the mode keeps in iptables. */
export function constantRules(options: RuleOptions): ConstantRules {
  const { family, localTraffic } = options;
  const firewall = firewallChains((set) => setName(family, set), localTraffic);
  return {
    jumps: JUMPS,
    chains: {
      nat: new Map([
        [CHAIN.markMasquerade, markRules(options)],
        [CHAIN.loadBalancer, loadBalancerRules(options)],
        [CHAIN.nodePort, nodePortRules(options)],
        [CHAIN.services, serviceRules(options)],
        [CHAIN.postrouting, [loopBackRule(options), ...postroutingRules(options)]],
      ]),
      filter: new Map([
        ...firewall,
        [CHAIN.forward, forwardRules(options)],
        [CHAIN.nodePort, [healthCheckRule(options)]],
        [CHAIN.ipvsFilter, ipvsFilterRules(options)],
      ]),
      mangle: firewall,
    },
  };
}

function inSet(family: IpFamily, role: SetRole, parts: Parameters<typeof matchSet>[1]): string {
  return matchSet(setName(family, role), parts);
}

/** Who is masqueraded; and what need not be looked at by rules of others behind ours. */
function serviceRules(options: RuleOptions): readonly string[] {
  const { family } = options;
  const to = `-A ${CHAIN.services}`;
  const match = (role: SetRole): string => inSet(family, role, "dst,dst");
  return [
    `${to} -s ${LOOPBACK_CIDR[family]} -j RETURN`,
    `${to} ${commentMatch("Kubernetes service lb portal")} ${match("loadBalancer")} -j ${CHAIN.loadBalancer}`,
    clusterIPRule(options),
    `${to} ${commentMatch("Kubernetes service external ip + port for masquerade and filter purpose")} ${match("externalIP")} -j ${CHAIN.markMasquerade}`,
    // Its source is the Service's own address, which endpoints elsewhere cannot answer.
    `${to} ${commentMatch("node to external ip with policy Local")} ${match("externalIPLocal")} ${FROM_NODE} -j ${CHAIN.markMasquerade}`,
    // These need not meet rules of others, nor the next one: a port may have the number of a node port.
    ...ADDRESS_SETS.map((role) => `${to} ${match(role)} -j ACCEPT`),
    `${to} -m addrtype --dst-type LOCAL -j ${CHAIN.nodePort}`,
  ];
}

function clusterIPRule(options: RuleOptions): string {
  const { family, localTraffic } = options;
  const head = `-A ${CHAIN.services} ${commentMatch("Kubernetes service cluster ip + port for masquerade purpose")}`;
  const who = masqueradedAtClusterIP(options);
  // Nobody is known to be a pod, but the node is known, by its source: the Service's own address.
  if (who === "nobody") return `${head} ${inSet(family, "clusterIP", "src,dst")} -j ${CHAIN.markMasquerade}`;
  const butPods =
    who === "all but pods" && localTraffic !== undefined ? ` ! ${renderLocalTraffic(localTraffic)}` : "";
  return `${head} ${inSet(family, "clusterIP", "dst,dst")}${butPods} -j ${CHAIN.markMasquerade}`;
}

/** Policy Local keeps the client's address; the node itself, which uses the load balancer's, cannot. */
function loadBalancerRules({ family }: RuleOptions): readonly string[] {
  const to = `-A ${CHAIN.loadBalancer}`;
  const local = inSet(family, "loadBalancerLocal", "dst,dst");
  return [
    `${to} ${commentMatch("Kubernetes service load balancer ip + port with externalTrafficPolicy=local")} ${local} ${NOT_FROM_NODE} -j RETURN`,
    `${to} -j ${CHAIN.markMasquerade}`,
  ];
}

function nodePortRules({ family }: RuleOptions): readonly string[] {
  const to = `-A ${CHAIN.nodePort}`;
  return PROTOCOLS.flatMap((protocol) => {
    const parts = protocol === "SCTP" ? "dst,dst" : "dst";
    const match = (role: SetRole): string => `-p ${protocol.toLowerCase()} ${inSet(family, role, parts)}`;
    return [
      `${to} ${match(`nodePortLocal${protocol}`)} ${NOT_FROM_NODE} -j RETURN`,
      `${to} ${match(`nodePort${protocol}`)} -j ${CHAIN.markMasquerade}`,
    ];
  });
}

/** A pod that reaches itself is masqueraded, or its reply would never leave it. */
function loopBackRule({ family }: RuleOptions): string {
  const why = commentMatch("Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose");
  return `-A ${CHAIN.postrouting} ${why} ${inSet(family, "loopBack", "dst,dst,src")} -j MASQUERADE`;
}

/** Requests do not cross FORWARD, replies do. */
function forwardRules({ markText }: RuleOptions): readonly string[] {
  const to = `-A ${CHAIN.forward}`;
  return [
    `${to} ${commentMatch("kubernetes forwarding rules")} -m mark --mark ${markText}/${markText} -j ACCEPT`,
    `${to} ${commentMatch("kubernetes forwarding conntrack rule")} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ];
}

/** The ports of health-check servers are open whatever the host's own firewall says. */
function healthCheckRule({ family }: RuleOptions): string {
  const why = commentMatch("Kubernetes health check node port");
  return `-A ${CHAIN.nodePort} ${why} -p tcp ${inSet(family, "healthCheckNodePort", "dst")} -j ACCEPT`;
}

/** What the node itself listens to on all addresses must not answer on those of Services. */
function ipvsFilterRules({ family }: RuleOptions): readonly string[] {
  const to = `-A ${CHAIN.ipvsFilter}`;
  return [
    ...ADDRESS_SETS.map((role) => `${to} ${inSet(family, role, "dst,dst")} -j RETURN`),
    `${to} -p tcp ${inSet(family, "healthCheckNodePort", "dst")} -j RETURN`,
    `${to} ${NEW} ${inSet(family, "ipvsIPs", "dst")} -j REJECT`,
  ];
}
