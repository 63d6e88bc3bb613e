/** Names of chains and sets. The chains are those of upstream's mode of the same name; the sets are our own. */
import type { IpFamily } from "../../model/types.ts";
import { nameInFamily } from "../ip-sets/set-names.ts";
import { SOURCE_RANGES_CHAIN } from "../iptables-chains/firewall-chains.ts";
import { COMMON_CHAIN } from "../iptables-chains/names.ts";

/** Chains, by the role they play. */
export const CHAIN = {
  services: COMMON_CHAIN.services,
  proxyFirewall: COMMON_CHAIN.proxyFirewall,
  canary: COMMON_CHAIN.canary,
  sourceRanges: SOURCE_RANGES_CHAIN,
  /** Portals for what comes from a network, and for the node itself. */
  portalsContainer: "KUBE-PORTALS-CONTAINER",
  portalsHost: "KUBE-PORTALS-HOST",
  /** Lets redirected clients in, and nobody else to the same ports. */
  nonLocal: "KUBE-NODEPORT-NON-LOCAL",
  /** Marks what answers to connections that keep their client's address. */
  keepSource: "KUBE-PORTALS-KEEP-SOURCE",
} as const;

/** Where marked packets are looked up: a table of our own, asked before those of others. */
export const MARKED = { table: 10_256, priority: 100 } as const;

/** Sets, by what their entries are; the names are those of IPv4. Entries are added in this order (see SetTable). */
export const SET = {
  /** Policy Local and no endpoint here: closed to everybody, or to clients outside the cluster. */
  noLocalInternal: "KUBE-PORTALS-NO-LOCAL",
  noLocalExternal: "KUBE-PORTALS-NO-LOCAL-EXTERN",
  /** Who may use a load balancer with source ranges: networks, and the node itself by the balancer's own address. */
  loadBalancerSources: "KUBE-PORTALS-SOURCE-CIDR",
  loadBalancerSelf: "KUBE-PORTALS-SOURCE-IP",
  loadBalancerFirewall: "KUBE-PORTALS-FW",
  /** Refused. */
  noEndpoints: "KUBE-PORTALS-NO-ENDPOINTS",
  /** Redirected to the proxy. */
  portals: "KUBE-PORTALS",
  healthCheckNodePort: "KUBE-PORTALS-HEALTH-CHECK",
} as const;

export type SetRole = keyof typeof SET;

export const SET_ROLES = Object.keys(SET) as readonly SetRole[];

/** The name of a set in a family. */
export function setName(family: IpFamily, role: SetRole): string {
  return nameInFamily(family, SET[role]);
}
