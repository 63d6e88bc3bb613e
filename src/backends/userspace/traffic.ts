/** What the relay has counted, as traffic of service ports: each one's virtual ports are added up. Pure. */
import { newCounters } from "../../relay/counters.ts";
import type { EndpointStats, RelayStats, TrafficStats, VirtualPortStats } from "../../relay/types.ts";
import type {
  EndpointTraffic,
  FailureCounts,
  PortConnections,
  PortIdentity,
  PortTraffic,
  TrafficReport,
} from "../backend.ts";

/** Of a relay that was never started. */
export const NO_STATS: RelayStats = {
  ports: [],
  connections: 0,
  associations: 0,
  refusedByLimit: 0,
  outOfDescriptors: 0,
  unknownDestination: 0,
  evicted: 0,
  internalErrors: 0,
};

const NOTHING_COUNTED: TrafficStats = newCounters();

/** The relay is silent on virtual ports that nobody came to; here they are, all of them at 0. */
export function withUnused(stats: RelayStats, ids: Iterable<string>): RelayStats {
  const told = new Set(stats.ports.filter(({ draining }) => !draining).map(({ id }) => id));
  const unused = [...ids].filter((id) => !told.has(id)).map(unusedPort);
  return { ...stats, ports: [...stats.ports, ...unused] };
}

function unusedPort(id: string): VirtualPortStats {
  return {
    id,
    protocol: /\/UDP [a-z]+$/.test(id) ? "UDP" : "TCP",
    draining: false,
    ...NOTHING_COUNTED,
    endpoints: [],
  };
}

/** All that is known, of the relay that was started as the `starts`th. */
export function trafficReport(stats: RelayStats, starts: number): TrafficReport {
  const { ports, connections, associations, ...relay } = stats;
  return {
    starts,
    ports: byServicePort(ports).map(portTraffic),
    relay: { clients: { TCP: connections, UDP: associations }, ...relay },
  };
}

/** Connections of every service port that there is: those that are gone get no new ones. */
export function portConnections({ ports }: RelayStats): readonly PortConnections[] {
  return byServicePort(ports.filter(({ draining }) => !draining)).map((same) => ({
    ...identityOf(same[0]),
    connections: same.reduce((sum, { total }) => sum + total, 0),
  }));
}

type Several<T> = readonly [T, ...T[]];

/** The way that clients took is the last word of an id, and all that distinguishes virtual ports of a service port. */
function byServicePort(ports: readonly VirtualPortStats[]): readonly Several<VirtualPortStats>[] {
  return grouped(ports, ({ id }) => id.slice(0, id.lastIndexOf(" ")));
}

/** Reads `ns/name:port/TCP internal`. */
function identityOf({ id, protocol }: VirtualPortStats): PortIdentity {
  const label = id.slice(0, id.lastIndexOf("/"));
  const [key = "", portName = ""] = label.split(":");
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name, portName, protocol };
}

function portTraffic(same: Several<VirtualPortStats>): PortTraffic {
  const endpoints = same.flatMap((port) => port.endpoints);
  return {
    ...identityOf(same[0]),
    unserved: same.map(({ failures }) => failures).reduce(addFailures),
    endpoints: grouped(endpoints, ({ endpoint }) => endpoint).map((parts) =>
      parts.map(endpointTraffic).reduce(addEndpoints),
    ),
  };
}

function endpointTraffic(stats: EndpointStats): EndpointTraffic {
  const { total, draining, dialTimeTotalMs, ...traffic } = stats;
  return { ...traffic, connections: total, dialSeconds: dialTimeTotalMs / 1000 };
}

function addEndpoints(a: EndpointTraffic, b: EndpointTraffic): EndpointTraffic {
  return {
    endpoint: a.endpoint,
    active: a.active + b.active,
    connections: a.connections + b.connections,
    failures: addFailures(a.failures, b.failures),
    resetByClient: a.resetByClient + b.resetByClient,
    resetByEndpoint: a.resetByEndpoint + b.resetByEndpoint,
    bytesToEndpoint: a.bytesToEndpoint + b.bytesToEndpoint,
    bytesToClient: a.bytesToClient + b.bytesToClient,
    dialTimes: a.dialTimes.map((count, index) => count + (b.dialTimes[index] ?? 0)),
    dialSeconds: a.dialSeconds + b.dialSeconds,
  };
}

function addFailures(a: FailureCounts, b: FailureCounts): FailureCounts {
  return {
    refused: a.refused + b.refused,
    timeout: a.timeout + b.timeout,
    unreachable: a.unreachable + b.unreachable,
    reset: a.reset + b.reset,
    noEndpoint: a.noEndpoint + b.noEndpoint,
    limit: a.limit + b.limit,
    resources: a.resources + b.resources,
  };
}

/** In the order of the first of each group. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): readonly Several<T>[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
