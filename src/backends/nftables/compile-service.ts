/** From a resolved Service to what it wants of the table. Pure. */
import type { Endpoint, ServicePort } from "../../model/types.ts";
import { uniqueClaims } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
import { admitsNode, masqueradedAtClusterIP } from "../decisions.ts";
import { address, cidrRange, nodePortKey, port as portBytes, u32, vipKey } from "./bytes.ts";
import { FIREWALL, ringGroup, ringValue } from "./expand.ts";
import * as layout from "./layout.ts";
import type { TableOptions } from "./options.ts";

/** Puts the endpoints of a ring into slots, given where clients reach it: the cluster IP first. */
export type Arrange = (
  ring: layout.Ring,
  destinations: readonly Destination[],
  wanted: readonly string[],
) => readonly string[];

/** Compiles the ports of one Service. Throws a RangeError on text that is no address. */
export function compileService(
  ports: readonly ServicePort[],
  options: TableOptions,
  arrange: Arrange,
): readonly Claim[] {
  const claims: Claim[] = [];
  for (const port of ports) {
    const all = destinations(port, options);
    const join = (ring: layout.Ring, endpoints: readonly Endpoint[]): string =>
      endpoints.length === 0 ? "" : arrange(ring, all, endpoints.map(endpointBytes)).join("");
    const usesLocal = port.internalPolicyLocal || port.externalPolicyLocal;
    const rings = {
      cluster: join("cluster", port.clusterEndpoints),
      local: join("local", usesLocal ? port.localEndpoints : []),
    };
    for (const destination of all) claimDestination(port, destination, rings, claims);
    claims.push({ set: "cluster-ips", key: address(port.clusterIP), value: "" });
    claimFirewall(port, options, claims);
    for (const endpoint of port.reachableEndpoints) {
      if (endpoint.isLocal)
        claims.push({ set: "hairpin-connections", key: address(endpoint.ip).repeat(2), value: "" });
    }
  }
  return uniqueClaims(claims);
}

function endpointBytes({ ip, port }: Endpoint): string {
  return address(ip) + portBytes(port);
}

/** Something that clients send packets to. */
export interface Destination {
  readonly way: layout.Way;
  readonly key: string;
  readonly flags: number;
}

/** The cluster IP first, then what is reached from outside. */
export function destinations(port: ServicePort, options: TableOptions): Destination[] {
  const { protocol } = port;
  const internal =
    MASQUERADE_FLAGS[masqueradedAtClusterIP(options)] | (port.internalPolicyLocal ? layout.LOCAL_ONLY : 0);
  const external = port.externalPolicyLocal ? layout.EXTERNAL_LOCAL : layout.MASQUERADE_ALWAYS;
  const at = (ip: string, flags: number): Destination => ({
    way: "ip",
    key: vipKey(ip, protocol, port.port),
    flags,
  });
  const all = [at(port.clusterIP, internal)];
  for (const ip of [...port.externalIPs, ...port.loadBalancerIPs]) all.push(at(ip, external));
  if (port.nodePort !== 0)
    all.push({ way: "nodePort", key: nodePortKey(protocol, port.nodePort), flags: external });
  return all;
}

const MASQUERADE_FLAGS = {
  all: layout.MASQUERADE_ALWAYS,
  "all but pods": layout.MASQUERADE_UNLESS_POD,
  nobody: 0,
} as const;

/** Sends packets to endpoints, or says what becomes of them where there are none. */
function claimDestination(
  port: ServicePort,
  { way, key, flags }: Destination,
  rings: Readonly<Record<layout.Ring, string>>,
  claims: Claim[],
): void {
  const kind = way === "ip" ? "services" : "nodeports";
  // Without any endpoint the client is told so.
  if (!port.hasAnyEndpoints) {
    claims.push({ set: `no-endpoint-${kind}`, key, value: "" });
    return;
  }
  const used: layout.Ring[] = [];
  if ((flags & layout.LOCAL_ONLY) === 0 && rings.cluster !== "") used.push("cluster");
  if ((flags & (layout.LOCAL_ONLY | layout.EXTERNAL_LOCAL)) !== 0) {
    if (rings.local !== "") used.push("local");
    // Endpoints elsewhere that policy hides. Pods and the node itself may be served nevertheless: their packets have
    // been translated before this is looked up.
    else claims.push({ set: `no-local-${kind}`, key, value: "" });
  }
  if (used.length === 0) return;
  const affinity = port.affinitySeconds > 0;
  claims.push({ set: layout.servicesMap(way), key, value: u32(flags | (affinity ? layout.AFFINITY : 0)) });
  for (const ring of used) {
    const route = { way, ring };
    claims.push({ set: ringGroup(route), key, value: ringValue(rings[ring], affinity) });
    if (affinity)
      claims.push({
        set: layout.routeNames(route).affinityServices,
        key,
        value: layout.affinityChain(route, port.affinitySeconds),
      });
  }
}

function claimFirewall(port: ServicePort, { nodeIPs }: TableOptions, claims: Claim[]): void {
  if (port.sourceRanges.length === 0) return;
  for (const ip of port.loadBalancerIPs) {
    const key = vipKey(ip, port.protocol, port.port);
    claims.push({ set: FIREWALL, key, value: allowedRanges(port, ip, nodeIPs) });
  }
}

/**
 * The sources that may use a load balancer's address, as first and last address of each range, none inside another
 * (the kernel takes no overlaps). The node talks to the address with itself as source when it holds it.
 */
function allowedRanges(port: ServicePort, ip: string, nodeIPs: readonly string[]): string {
  const { sourceRanges } = port;
  const cidrs = admitsNode(port, nodeIPs)
    ? [...sourceRanges, `${ip}/${ip.includes(":") ? 128 : 32}`]
    : sourceRanges;
  const ranges = [...new Set(cidrs)].map(cidrRange);
  return ranges
    .filter((a) => !ranges.some((b) => b !== a && b.first <= a.first && a.last <= b.last))
    .map(({ first, last }) => first + last)
    .sort()
    .join("");
}
