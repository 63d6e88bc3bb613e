/** Decisions about packets that every mode takes alike and renders its own way. Pure. */
import { contains } from "../model/address.ts";
import type { ServicePort } from "../model/types.ts";
import type { LocalTraffic } from "./local-traffic.ts";

/** What the decision about cluster IPs depends on. */
export interface ClusterIPMasquerade {
  readonly masqueradeAll: boolean;
  readonly localTraffic: LocalTraffic | undefined;
}

/**
 * Whose packets to cluster IPs are masqueraded: replies to clients that are no pods must come back through this node. If
 * nobody is known to be a pod, nobody is masqueraded for being none.
 */
export function masqueradedAtClusterIP({
  masqueradeAll,
  localTraffic,
}: ClusterIPMasquerade): "all" | "all but pods" | "nobody" {
  if (masqueradeAll) return "all";
  return localTraffic === undefined ? "nobody" : "all but pods";
}

/**
 * Whether the node itself is among the sources that may use a Service's load balancer. A node that holds the load
 * balancer's address sends with that address as source, so then it has to be admitted as well.
 */
export function admitsNode({ sourceRanges }: ServicePort, nodeIPs: readonly string[]): boolean {
  return sourceRanges.some((range) => nodeIPs.some((ip) => contains(range, ip)));
}
