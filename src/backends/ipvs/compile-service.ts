/** From a resolved Service to what it wants of the kernel: virtual servers, their addresses, entries of sets. Pure. */
import { joinHostPort } from "../../model/address.ts";
import type { Endpoint, ServicePort } from "../../model/types.ts";
import { uniqueClaims } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
import { admitsNode } from "../decisions.ts";
import { ipPort, ipPortIp, ipPortNet } from "../ip-sets/entries.ts";
import type { SetEntry } from "../ip-sets/set-table.ts";
import type { SetRole } from "./names.ts";
import type { IpvsOptions } from "./options.ts";
import { renderServer, serverKey } from "./virtual-server.ts";

/** Claims on virtual servers: see `renderServer`. */
export const SERVERS = "virtual servers";
/** Claims on addresses of the virtual device. */
export const ADDRESSES = "addresses";

/** Compiles the ports of one Service. */
export function compileService(ports: readonly ServicePort[], options: IpvsOptions): readonly Claim[] {
  const claims: Claim[] = [];
  for (const port of ports) {
    claimClusterIP(port, claims);
    for (const ip of port.externalIPs) claimExternalIP(port, ip, options, claims);
    for (const ip of port.loadBalancerIPs) claimLoadBalancerIP(port, ip, options, claims);
    if (port.nodePort !== 0) claimNodePort(port, options, claims);
    if (port.healthCheckNodePort !== 0)
      claimEntry("healthCheckNodePort", String(port.healthCheckNodePort), claims);
    for (const endpoint of port.reachableEndpoints) {
      const { ip } = endpoint;
      if (endpoint.isLocal) claimEntry("loopBack", ipPortIp(ip, port.protocol, endpoint.port, ip), claims);
    }
  }
  return uniqueClaims(claims);
}

/** The keys of all virtual servers of a port, whoever else may claim them. */
export function serverKeys(port: ServicePort, { nodePortAddresses }: IpvsOptions): readonly string[] {
  const { protocol, nodePort } = port;
  const ips = [port.clusterIP, ...port.externalIPs, ...port.loadBalancerIPs];
  const keys = ips.map((ip) => serverKey({ protocol, ip, port: port.port }));
  if (nodePort !== 0)
    keys.push(...nodePortAddresses.map((ip) => serverKey({ protocol, ip, port: nodePort })));
  return keys;
}

/** The endpoints for a way in, and the set whose members are closed because policy Local finds none here. */
interface Balanced {
  readonly endpoints: readonly Endpoint[];
  readonly closed?: SetRole;
}

function internal(port: ServicePort): Balanced {
  if (!port.internalPolicyLocal) return { endpoints: port.clusterEndpoints };
  const { localEndpoints } = port;
  if (localEndpoints.length > 0 || !port.hasAnyEndpoints) return { endpoints: localEndpoints };
  return { endpoints: [], closed: "noLocalInternal" };
}

/**
 * A virtual server has one list of endpoints for everybody. With policy Local it is that of this node, also for pods and
 * the node; without an endpoint here it is everybody's for those two, while others are kept out by the set.
 */
function external(port: ServicePort): Balanced {
  if (!port.externalPolicyLocal) return { endpoints: port.clusterEndpoints };
  if (port.localEndpoints.length > 0) return { endpoints: port.localEndpoints };
  const { clusterEndpoints } = port;
  return port.hasAnyEndpoints
    ? { endpoints: clusterEndpoints, closed: "noLocalExternal" }
    : { endpoints: clusterEndpoints };
}

function claimClusterIP(port: ServicePort, claims: Claim[]): void {
  const ip = port.clusterIP;
  claimServer(port, { ip, port: port.port }, internal(port), ["clusterIP"], claims);
  claimAddress(ip, claims);
}

function claimExternalIP(port: ServicePort, ip: string, options: IpvsOptions, claims: Claim[]): void {
  const role = port.externalPolicyLocal ? "externalIPLocal" : "externalIP";
  claimServer(port, { ip, port: port.port }, external(port), [role], claims);
  if (!options.localAddresses.has(ip)) claimAddress(ip, claims);
}

function claimLoadBalancerIP(port: ServicePort, ip: string, options: IpvsOptions, claims: Claim[]): void {
  const roles: SetRole[] = ["loadBalancer"];
  if (port.externalPolicyLocal) roles.push("loadBalancerLocal");
  const sources = sourceEntries(port, ip, options);
  if (sources.length > 0) roles.push("loadBalancerFirewall");
  claimServer(port, { ip, port: port.port }, external(port), roles, claims, sources);
  if (!options.localAddresses.has(ip)) claimAddress(ip, claims);
}

/** Empty when nobody is kept out: also with a range of everything, which a set of networks cannot hold. */
function sourceEntries(
  port: ServicePort,
  ip: string,
  { nodeIPs }: IpvsOptions,
): readonly SetEntry<SetRole>[] {
  const { protocol, sourceRanges } = port;
  if (sourceRanges.some((range) => range.endsWith("/0"))) return [];
  const entries = sourceRanges.map(
    (range): SetEntry<SetRole> => ["loadBalancerSources", ipPortNet(ip, protocol, port.port, range)],
  );
  if (admitsNode(port, nodeIPs)) entries.push(["loadBalancerSelf", ipPortIp(ip, protocol, port.port, ip)]);
  return entries;
}

function claimNodePort(port: ServicePort, { nodePortAddresses }: IpvsOptions, claims: Claim[]): void {
  const { protocol, nodePort, externalPolicyLocal } = port;
  const roles: SetRole[] = [`nodePort${protocol}`];
  if (externalPolicyLocal) roles.push(`nodePortLocal${protocol}`);
  // The sets of SCTP hold addresses as well, as upstream's do.
  if (protocol !== "SCTP") for (const role of roles) claimEntry(role, String(nodePort), claims);
  for (const ip of nodePortAddresses)
    claimServer(port, { ip, port: nodePort }, external(port), protocol === "SCTP" ? roles : [], claims);
}

function claimServer(
  { protocol, affinitySeconds }: ServicePort,
  at: { readonly ip: string; readonly port: number },
  { endpoints, closed }: Balanced,
  roles: readonly SetRole[],
  claims: Claim[],
  more: readonly SetEntry<SetRole>[] = [],
): void {
  const entry = ipPort(at.ip, protocol, at.port);
  const all = closed === undefined ? roles : [...roles, closed];
  claims.push({
    set: SERVERS,
    key: serverKey({ protocol, ...at }),
    value: renderServer({
      affinitySeconds,
      entries: [...all.map((role): SetEntry<SetRole> => [role, entry]), ...more],
      endpoints: endpoints.map(({ ip, port }) => joinHostPort(ip, port)),
    }),
  });
}

function claimAddress(ip: string, claims: Claim[]): void {
  claims.push({ set: ADDRESSES, key: ip, value: "" });
}

function claimEntry(role: SetRole, entry: string, claims: Claim[]): void {
  claims.push({ set: role, key: entry, value: "" });
}
