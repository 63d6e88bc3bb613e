/** From a resolved Service to what it wants: virtual ports of the relay, and entries of sets that lead there. Pure. */
import { joinHostPort } from "../../model/address.ts";
import type { Endpoint, Protocol, ServicePort } from "../../model/types.ts";
import type { VirtualPortSpec } from "../../relay/types.ts";
import { uniqueClaims } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
import { admitsNode } from "../decisions.ts";
import { ipPort, ipPortIp, ipPortNet } from "../ip-sets/entries.ts";
import type { SetEntry } from "../ip-sets/set-table.ts";
import type { SetRole } from "./names.ts";
import type { UserspaceOptions } from "./options.ts";

/** Claims on what clients connect to: see `renderDestination`. */
export const DESTINATIONS = "destinations";

/** A virtual port without its destinations, which others may claim as well. */
export type RelayPort = Omit<VirtualPortSpec, "destinations">;

export interface CompiledService {
  readonly claims: readonly Claim[];
  readonly ports: readonly RelayPort[];
}

/** Protocols that a socket of ours can carry. */
export function isCarried(protocol: Protocol): protocol is "TCP" | "UDP" {
  return protocol !== "SCTP";
}

/** Compiles the ports of one Service; those of SCTP are left out. */
export function compileService(ports: readonly ServicePort[], options: UserspaceOptions): CompiledService {
  const claims: Claim[] = [];
  const relayPorts: RelayPort[] = [];
  for (const port of ports) {
    const { protocol } = port;
    if (!isCarried(protocol)) continue;
    for (const way of waysOf(port, options)) {
      relayPorts.push(relayPort(port, protocol, way));
      for (const destination of way.destinations) claims.push(claimDestination(protocol, way, destination));
    }
    if (port.healthCheckNodePort !== 0)
      claims.push({ set: "healthCheckNodePort", key: String(port.healthCheckNodePort), value: "" });
  }
  return { claims: uniqueClaims(claims), ports: relayPorts };
}

/** What one kind of clients connects to. */
interface Way {
  readonly id: string;
  readonly destinations: readonly Destination[];
  readonly endpoints: Readonly<Record<"pod" | "outside" | "node", readonly Endpoint[]>>;
  /** The sets that say what becomes of a first packet. */
  readonly verdict: readonly SetRole[];
  readonly keepSource: RelayPort["keepSource"];
}

interface Destination {
  readonly ip: string;
  readonly port: number;
  readonly entries?: readonly SetEntry<SetRole>[];
}

function waysOf(port: ServicePort, options: UserspaceOptions): readonly Way[] {
  const ways = [internalWay(port)];
  const external = externalWay(port, options);
  if (external.destinations.length > 0) ways.push(external);
  return ways;
}

function internalWay(port: ServicePort): Way {
  const endpoints = port.internalPolicyLocal ? port.localEndpoints : port.clusterEndpoints;
  const refused: SetRole = port.hasAnyEndpoints ? "noLocalInternal" : "noEndpoints";
  return {
    id: idOf(port, "internal"),
    destinations: [{ ip: port.clusterIP, port: port.port }],
    endpoints: { pod: endpoints, outside: endpoints, node: endpoints },
    verdict: [endpoints.length > 0 ? "portals" : refused],
    keepSource: false,
  };
}

/** With policy Local, pods and the node itself get the answer they would get by way of a load balancer: all endpoints. */
function externalWay(port: ServicePort, options: UserspaceOptions): Way {
  const { clusterEndpoints, localEndpoints, externalPolicyLocal } = port;
  const outside = externalPolicyLocal ? localEndpoints : clusterEndpoints;
  const loadBalancers = port.loadBalancerIPs.map((ip) => ({
    ip,
    port: port.port,
    entries: sourceEntries(port, ip, options),
  }));
  const nodePorts = port.nodePort === 0 ? [] : options.nodePortAddresses;
  const closed: readonly SetRole[] = outside.length > 0 ? [] : ["noLocalExternal"];
  return {
    id: idOf(port, "external"),
    destinations: [
      ...port.externalIPs.map((ip) => ({ ip, port: port.port })),
      ...loadBalancers,
      ...nodePorts.map((ip) => ({ ip, port: port.nodePort })),
    ],
    endpoints: { pod: clusterEndpoints, outside, node: clusterEndpoints },
    verdict: port.hasAnyEndpoints ? [...closed, "portals"] : ["noEndpoints"],
    keepSource: externalPolicyLocal && canKeepSource(outside, options) ? "outside" : false,
  };
}

/** Whether endpoints may see clients' addresses: their answers, which are addressed to the client, must come by here. */
function canKeepSource(
  endpoints: readonly Endpoint[],
  { keepSourceMark, localAddresses }: UserspaceOptions,
): boolean {
  if (keepSourceMark === 0) return false;
  return endpoints.every(({ ip, isLocal }) => isLocal && !localAddresses.includes(ip));
}

/** Empty when nobody is kept out: also with a range of everything, which a set of networks cannot hold. */
function sourceEntries(port: ServicePort, ip: string, { nodeIPs }: UserspaceOptions): SetEntry<SetRole>[] {
  const { protocol, sourceRanges } = port;
  if (sourceRanges.length === 0 || sourceRanges.some((range) => range.endsWith("/0"))) return [];
  const entries = sourceRanges.map(
    (range): SetEntry<SetRole> => ["loadBalancerSources", ipPortNet(ip, protocol, port.port, range)],
  );
  if (admitsNode(port, nodeIPs)) entries.push(["loadBalancerSelf", ipPortIp(ip, protocol, port.port, ip)]);
  return [...entries, ["loadBalancerFirewall", ipPort(ip, protocol, port.port)]];
}

/** `ns/name:port/TCP internal`: for the relay; people see the part before the blank. */
function idOf({ label, protocol }: ServicePort, way: "internal" | "external"): string {
  return `${label}/${protocol} ${way}`;
}

function relayPort(port: ServicePort, protocol: "TCP" | "UDP", way: Way): RelayPort {
  const { id, endpoints, keepSource } = way;
  return {
    id,
    protocol,
    endpoints: endpointLists(endpoints),
    affinitySeconds: port.affinitySeconds,
    proxyProtocol: protocol === "TCP" ? port.proxyProtocol : 0,
    keepSource: protocol === "TCP" && keepSource,
  };
}

/** Clients that have the same endpoints share a list, here and, as messages keep it so, in the relay. */
function endpointLists({ pod, outside, node }: Way["endpoints"]): RelayPort["endpoints"] {
  const texts = (list: readonly Endpoint[]): string[] => list.map(({ ip, port }) => joinHostPort(ip, port));
  const ofPods = texts(pod);
  return {
    pod: ofPods,
    outside: outside === pod ? ofPods : texts(outside),
    node: node === pod ? ofPods : texts(node),
  };
}

function claimDestination(
  protocol: "TCP" | "UDP",
  { id, verdict }: Way,
  { ip, port, entries = [] }: Destination,
): Claim {
  const entry = ipPort(ip, protocol, port);
  const all = [...verdict.map((role): SetEntry<SetRole> => [role, entry]), ...entries];
  const value = renderDestination({ id, entries: all });
  return { set: DESTINATIONS, key: `${protocol} ${joinHostPort(ip, port)}`, value };
}

/** What stands and falls with a destination. */
export interface WantedDestination {
  /** The virtual port that it leads to. */
  readonly id: string;
  readonly entries: readonly SetEntry<SetRole>[];
}

/** The value of a claim: two lines, the second with words. Only the id contains a blank. */
export function renderDestination({ id, entries }: WantedDestination): string {
  return `${id}\n${entries.map(([role, entry]) => `${role}=${entry}`).join(" ")}`;
}

/** Reads what `renderDestination` wrote. */
export function parseDestination(value: string): WantedDestination {
  const [id = "", words = ""] = value.split("\n");
  const entries = words === "" ? [] : words.split(" ");
  return {
    id,
    entries: entries.map((word): SetEntry<SetRole> => {
      const [role = "", entry = ""] = word.split("=");
      return [role as SetRole, entry];
    }),
  };
}

/** The address in the key of a claim, as the relay takes it. */
export function destinationOf(key: string): string {
  return key.slice(key.indexOf(" ") + 1);
}
