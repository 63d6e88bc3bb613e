/** The Services that the flow table speaks of. Every one is dual-stack and has the same port number for TCP and UDP. */
import type { IpFamily, PerFamily } from "../../../src/model/types.ts";
import { MEMBERS, type PodName, SERVICE_NETWORKS } from "../testbed/addresses.ts";
import { serviceObjects, type TestEndpoint } from "../testbed/objects.ts";

export const SERVICE_PORT = 80;
/** A port that no Service of the table has. */
export const UNUSED_PORT = 81;
/** An address of the service network that no Service of the table has. */
export const UNALLOCATED = inNetwork(SERVICE_NETWORKS.clusterIP, 250);
const TARGET_PORT = 8080;
const FIRST_NODE_PORT = 30_000;
const FIRST_HEALTH_CHECK_PORT = 31_000;

/** A Service of the table: what is special about it, and which pods should serve it. */
export interface FlowService {
  readonly name: string;
  readonly endpoints: readonly TestEndpoint[];
  /** Pods that serve under policy Cluster, and under policy Local on the node. */
  readonly all: readonly PodName[];
  readonly local: readonly PodName[];
  readonly externalLocal?: boolean;
  readonly internalLocal?: boolean;
  /** loadBalancerSourceRanges. */
  readonly ranges?: readonly string[];
  /** Its external and load-balancer addresses are configured on the node as well. */
  readonly bound?: boolean;
  readonly ipMode?: "VIP" | "Proxy";
  readonly tcpOnly?: boolean;
}

const ready = (...pods: PodName[]): TestEndpoint[] => pods.map((pod) => ({ pod }));
const ending = (...pods: PodName[]): TestEndpoint[] =>
  pods.map((pod) => ({ pod, conditions: { ready: false, serving: true, terminating: true } }));
const dead = (...pods: PodName[]): TestEndpoint[] =>
  pods.map((pod) => ({ pod, conditions: { ready: false, serving: false, terminating: true } }));

const everywhere = {
  endpoints: ready("p1", "p2", "r1"),
  all: ["p1", "p2", "r1"],
  local: ["p1", "p2"],
} as const;
const elsewhere = { endpoints: ready("r1"), all: ["r1"], local: [] } as const;
const nowhere = { endpoints: [], all: [], local: [] } as const;

const hostRange = (address: PerFamily<string>): string[] => [`${address.IPv4}/32`, `${address.IPv6}/128`];
/** Holds every source of the table but `x2`. */
const INSIDE = [
  ...hostRange(MEMBERS.p3.address),
  ...hostRange(MEMBERS.r2.address),
  ...hostRange(MEMBERS.x.address),
  ...hostRange(MEMBERS.node.address),
];
const INSIDE_WITHOUT_NODE = INSIDE.slice(0, 6);
const OUTSIDE = ["198.51.103.0/24", "2001:db8:cafe::/48"];

const LIST: readonly FlowService[] = [
  { name: "cluster", ...everywhere },
  { name: "external-local", ...everywhere, externalLocal: true },
  { name: "external-local-elsewhere", ...elsewhere, externalLocal: true },
  { name: "internal-local", ...everywhere, internalLocal: true },
  { name: "internal-local-elsewhere", ...elsewhere, internalLocal: true },
  { name: "both-local", ...everywhere, internalLocal: true, externalLocal: true },
  { name: "empty", ...nowhere },
  { name: "empty-local", ...nowhere, internalLocal: true, externalLocal: true },
  { name: "empty-bound", ...nowhere, bound: true },
  { name: "ranges", ...everywhere, ranges: INSIDE },
  { name: "ranges-local", ...everywhere, externalLocal: true, ranges: INSIDE },
  { name: "ranges-local-elsewhere", ...elsewhere, externalLocal: true, ranges: INSIDE },
  { name: "ranges-outside", ...everywhere, ranges: OUTSIDE },
  { name: "ranges-outside-local", ...everywhere, externalLocal: true, ranges: OUTSIDE },
  { name: "ranges-empty", ...nowhere, ranges: INSIDE },
  { name: "ranges-bound", ...everywhere, ranges: INSIDE, bound: true },
  { name: "ranges-bound-without-node", ...everywhere, ranges: INSIDE_WITHOUT_NODE, bound: true },
  { name: "proxy-mode", ...everywhere, ipMode: "Proxy" },
  { name: "tcp-only", ...everywhere, tcpOnly: true },
  {
    name: "ending-everywhere",
    endpoints: [...ending("p1", "r1"), ...dead("p2")],
    all: ["p1", "r1"],
    local: ["p1"],
    externalLocal: true,
  },
  {
    name: "ending-here",
    endpoints: [...ending("p1"), ...ready("r1")],
    all: ["r1"],
    local: ["p1"],
    externalLocal: true,
  },
  {
    name: "ending-beside-ready",
    endpoints: [...ending("p1", "r1"), ...ready("p2")],
    all: ["p2"],
    local: ["p2"],
    externalLocal: true,
  },
  { name: "dead", endpoints: dead("p1", "r1"), all: [], local: [] },
];

/** By name. Throws when the table names a Service that does not exist. */
export function flowService(name: string): FlowService {
  const service = LIST.find((candidate) => candidate.name === name);
  if (!service) throw new Error(`no such Service in the table: ${name}`);
  return service;
}

/** Where a Service is reached: its number in the list is the last part of each of its addresses. */
export interface FlowAddresses {
  readonly clusterIP: PerFamily<string>;
  readonly externalIP: PerFamily<string>;
  readonly loadBalancerIP: PerFamily<string>;
  readonly nodePort: number;
}

export function flowAddresses(name: string): FlowAddresses {
  const number = LIST.indexOf(flowService(name)) + 1;
  return {
    clusterIP: inNetwork(SERVICE_NETWORKS.clusterIP, number),
    externalIP: inNetwork(SERVICE_NETWORKS.externalIP, number),
    loadBalancerIP: inNetwork(SERVICE_NETWORKS.loadBalancerIP, number),
    nodePort: FIRST_NODE_PORT + number,
  };
}

function inNetwork(network: PerFamily<string>, number: number): PerFamily<string> {
  return {
    IPv4: network.IPv4.replace(/0\/\d+$/, String(number)),
    IPv6: network.IPv6.replace(/\/\d+$/, number.toString(16)),
  };
}

/** What tells the proxy where cluster IPs come from. */
export function serviceCIDRObject(): object {
  const { IPv4, IPv6 } = SERVICE_NETWORKS.clusterIP;
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "ServiceCIDR",
    metadata: { name: "kubernetes" },
    spec: { cidrs: [IPv4, IPv6] },
  };
}

/** The objects of every Service of the table. */
export function flowObjects(): object[] {
  return LIST.flatMap(objectsOf);
}

function objectsOf(service: FlowService): object[] {
  const at = flowAddresses(service.name);
  const port = { port: SERVICE_PORT, targetPort: TARGET_PORT, nodePort: at.nodePort };
  const tcp = { ...port, name: "tcp", protocol: "TCP" as const };
  const udp = { ...port, name: "udp", protocol: "UDP" as const };
  return serviceObjects({
    name: service.name,
    clusterIP: at.clusterIP,
    ports: service.tcpOnly ? [tcp] : [tcp, udp],
    endpoints: service.endpoints,
    spec: {
      type: "LoadBalancer",
      externalIPs: [at.externalIP.IPv4, at.externalIP.IPv6],
      ...(service.externalLocal
        ? {
            externalTrafficPolicy: "Local",
            healthCheckNodePort: FIRST_HEALTH_CHECK_PORT + LIST.indexOf(service),
          }
        : { externalTrafficPolicy: "Cluster" }),
      internalTrafficPolicy: service.internalLocal ? "Local" : "Cluster",
      ...(service.ranges ? { loadBalancerSourceRanges: service.ranges } : {}),
    },
    status: {
      loadBalancer: {
        ingress: [at.loadBalancerIP.IPv4, at.loadBalancerIP.IPv6].map((ip) => ({
          ip,
          ipMode: service.ipMode ?? "VIP",
        })),
      },
    },
  });
}

/** The service addresses that the node itself must hold before the flows are run. */
export function boundAddresses(): { family: IpFamily; address: string }[] {
  return LIST.filter((service) => service.bound).flatMap(({ name }) => {
    const { externalIP, loadBalancerIP } = flowAddresses(name);
    return (["IPv4", "IPv6"] as const).flatMap((family) =>
      [externalIP, loadBalancerIP].map((addresses) => ({ family, address: addresses[family] })),
    );
  });
}

/** Every service address, for `world` to answer at what the node lets pass. */
export function allServiceAddresses(): string[] {
  return LIST.flatMap(({ name }) => {
    const at = flowAddresses(name);
    return [at.clusterIP, at.externalIP, at.loadBalancerIP].flatMap((pair) => [pair.IPv4, pair.IPv6]);
  });
}
