/** Names of sets and chains: upstream's, so that tools and runbooks that know them keep working, and a few of our own. */
import type { IpFamily } from "../../model/types.ts";
import { nameInFamily } from "../ip-sets/set-names.ts";
import { SOURCE_RANGES_CHAIN } from "../iptables-chains/firewall-chains.ts";
import { COMMON_CHAIN } from "../iptables-chains/names.ts";

/** Chains, by the role they play. */
export const CHAIN = {
  ...COMMON_CHAIN,
  loadBalancer: "KUBE-LOAD-BALANCER",
  nodePort: "KUBE-NODE-PORT",
  sourceRanges: SOURCE_RANGES_CHAIN,
  ipvsFilter: "KUBE-IPVS-FILTER",
} as const;

/** Sets, by what their entries are; the names are those of IPv4. Entries are added in this order (see SetTable). */
export const SET = {
  /** Not upstream's. Virtual servers that are ours: the kernel has no other place to write that down. */
  servers: "KUBE-IPVS-SERVERS",
  /** Endpoints of this node, to themselves. */
  loopBack: "KUBE-LOOP-BACK",
  /** Not upstream's. Policy Local and no endpoint here: closed to everybody, or to clients outside the cluster. */
  noLocalInternal: "KUBE-NO-LOCAL-INTERNAL",
  noLocalExternal: "KUBE-NO-LOCAL-EXTERNAL",
  /** Who may use a load balancer with source ranges: networks, and the node itself by the balancer's own address. */
  loadBalancerSources: "KUBE-LOAD-BALANCER-SOURCE-CIDR",
  loadBalancerSelf: "KUBE-LOAD-BALANCER-SOURCE-IP",
  /** Load balancers with source ranges; with policy Local; and all. */
  loadBalancerFirewall: "KUBE-LOAD-BALANCER-FW",
  loadBalancerLocal: "KUBE-LOAD-BALANCER-LOCAL",
  loadBalancer: "KUBE-LOAD-BALANCER",
  clusterIP: "KUBE-CLUSTER-IP",
  externalIP: "KUBE-EXTERNAL-IP",
  externalIPLocal: "KUBE-EXTERNAL-IP-LOCAL",
  nodePortLocalTCP: "KUBE-NODE-PORT-LOCAL-TCP",
  nodePortTCP: "KUBE-NODE-PORT-TCP",
  nodePortLocalUDP: "KUBE-NODE-PORT-LOCAL-UDP",
  nodePortUDP: "KUBE-NODE-PORT-UDP",
  nodePortLocalSCTP: "KUBE-NODE-PORT-LOCAL-SCTP-HASH",
  nodePortSCTP: "KUBE-NODE-PORT-SCTP-HASH",
  healthCheckNodePort: "KUBE-HEALTH-CHECK-NODE-PORT",
  /** Addresses on the virtual device: other ports of theirs are closed. */
  ipvsIPs: "KUBE-IPVS-IPS",
} as const;

export type SetRole = keyof typeof SET;

export const SET_ROLES = Object.keys(SET) as readonly SetRole[];

/** The name of a set in a family. */
export function setName(family: IpFamily, role: SetRole): string {
  return nameInFamily(family, SET[role]);
}
