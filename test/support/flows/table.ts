/**
 * Same packet, same answer: the table of flows that every proxy mode is measured by. It holds no rules, only what a client
 * sees. Columns are sources; a cell says which endpoints answer and which source address they see.
 */
import type { IpFamily } from "../../../src/model/types.ts";

/** Where a connection starts. */
export type Source =
  /** A pod of this node that is no endpoint. */
  | "P"
  /** A process of the node itself, with the source address of the kernel's choice. */
  | "H"
  /** A pod of another node, arriving with its own address; no endpoint. */
  | "R"
  /** A client outside the cluster, on the node's network. */
  | "X"
  /** Pods that are endpoints themselves: hairpin. */
  | "P as endpoint"
  | "R as endpoint"
  /** A node process that uses another address of the node. */
  | "H from second address"
  /** An outside client that no source range holds. */
  | "X outside ranges";

/**
 * - `all`, `loc`: balanced over the Service's endpoints under policy Cluster or Local; the client's address is kept.
 * - `all?`: as `all`, but the connection hangs when the endpoint's reply does not pass this node.
 * - `+m`: masqueraded, the endpoint sees the node's address on the interface towards it.
 * - `reject`: refused. `drop`: silence. `passed on`: not translated, leaves the node towards the real address.
 */
export type Cell = "all" | "all?" | "all+m" | "loc" | "loc+m" | "reject" | "drop" | "passed on";

export type Destination =
  | "clusterIP"
  | "clusterIP, unused port"
  | "unallocated service address"
  | "nodePort"
  | "nodePort at second address"
  | "nodePort at loopback"
  | "externalIP"
  | "loadBalancerIP";

export interface FlowRow {
  readonly title: string;
  readonly to: Destination;
  readonly service: string;
  readonly cells: Partial<Record<Source, Cell | Readonly<Record<"ClusterCIDR" | "interface", Cell>>>>;
  /** Cells that a mode has instead, as upstream's has; the comment says why. */
  readonly nftables?: FlowRow["cells"];
  readonly ipvs?: FlowRow["cells"];
  readonly userspace?: FlowRow["cells"];
  /** What H meets instead when this destination takes no node ports; `reject` (the local stack's answer) if absent. */
  readonly closed?: Cell;
  readonly families?: readonly IpFamily[];
  readonly protocols?: readonly ("TCP" | "UDP")[];
}

const same = (cell: Cell): FlowRow["cells"] => ({ P: cell, H: cell, R: cell, X: cell });
const byDetection = (
  ClusterCIDR: Cell,
  other: Cell,
): Readonly<Record<"ClusterCIDR" | "interface", Cell>> => ({
  ClusterCIDR,
  interface: other,
});

const clusterPolicy = same("all+m");
const localPolicy: FlowRow["cells"] = { P: "all", H: "all+m", R: byDetection("all?", "loc"), X: "loc" };
const localPolicyElsewhere: FlowRow["cells"] = {
  P: "all",
  H: "all+m",
  R: byDetection("all?", "drop"),
  X: "drop",
};

/** nftables mode leaves route_localnet alone, without which nothing on loopback can be translated. */
const noLoopback: FlowRow["cells"] = { H: "reject", X: "drop" };
/** These modes look for Services without endpoints in what the node itself sends, too. */
const outputChecked: FlowRow["cells"] = { H: "reject" };

/**
 * A virtual server of ipvs mode has one list of endpoints for everybody: with policy Local those of this node, also for
 * pods and for the node itself, as long as there are any.
 */
const localForAll: FlowRow["cells"] = { P: "loc", H: "loc+m", R: "loc" };

export const FLOW_ROWS: readonly FlowRow[] = [
  {
    title: "cluster IP, iTP Cluster",
    to: "clusterIP",
    service: "cluster",
    cells: {
      P: "all",
      H: "all+m",
      R: byDetection("all?", "all+m"),
      X: "all+m",
      "P as endpoint": "all",
      "R as endpoint": byDetection("all?", "all+m"),
      "H from second address": "all+m",
    },
  },
  {
    title: "cluster IP, iTP Local, local endpoint",
    to: "clusterIP",
    service: "internal-local",
    cells: { P: "loc", H: "loc+m", R: byDetection("loc", "loc+m"), X: "loc+m", "P as endpoint": "loc" },
  },
  {
    title: "cluster IP, iTP Local and eTP Local, local endpoint",
    to: "clusterIP",
    service: "both-local",
    cells: { P: "loc", H: "loc+m", R: byDetection("loc", "loc+m"), X: "loc+m" },
  },
  {
    title: "cluster IP, iTP Local, endpoints elsewhere only",
    to: "clusterIP",
    service: "internal-local-elsewhere",
    cells: same("drop"),
  },
  { title: "cluster IP, no endpoints", to: "clusterIP", service: "empty", cells: same("reject") },
  {
    title: "cluster IP, iTP Local, no endpoints",
    to: "clusterIP",
    service: "empty-local",
    cells: same("reject"),
  },
  {
    title: "cluster IP of a Service with ranges",
    to: "clusterIP",
    service: "ranges-outside",
    cells: { P: "all", H: "all+m", X: "all+m" },
  },
  {
    title: "cluster IP, UDP to a TCP-only port",
    to: "clusterIP",
    service: "tcp-only",
    protocols: ["UDP"],
    cells: same("passed on"),
    // Every port of a cluster IP is the Service's.
    nftables: same("reject"),
    // The address is the node's, and this port of it is closed.
    ipvs: same("reject"),
  },
  {
    title: "cluster IP, a port that no Service port has",
    to: "clusterIP, unused port",
    service: "cluster",
    cells: same("passed on"),
    nftables: same("reject"),
    // The address is the node's, and this port of it is closed.
    ipvs: same("reject"),
  },
  {
    title: "an address of the service network that no Service has",
    to: "unallocated service address",
    service: "cluster",
    cells: same("passed on"),
    // The network is known from the ServiceCIDR object, and nothing else can be meant.
    nftables: same("drop"),
  },
  {
    title: "cluster IP, all endpoints terminating",
    to: "clusterIP",
    service: "ending-everywhere",
    cells: { P: "all", H: "all+m", X: "all+m" },
  },
  {
    title: "cluster IP, the local endpoint terminating, another ready",
    to: "clusterIP",
    service: "ending-here",
    cells: { P: "all", H: "all+m", X: "all+m" },
  },
  {
    title: "cluster IP, one ready among terminating endpoints",
    to: "clusterIP",
    service: "ending-beside-ready",
    cells: { P: "all", H: "all+m", X: "all+m" },
  },
  {
    title: "cluster IP, no endpoint serves any more",
    to: "clusterIP",
    service: "dead",
    cells: same("reject"),
  },

  {
    title: "node port, eTP Cluster",
    to: "nodePort",
    service: "cluster",
    cells: { ...clusterPolicy, "P as endpoint": "all+m", "H from second address": "all+m" },
  },
  {
    title: "node port, eTP Cluster, iTP Local",
    to: "nodePort",
    service: "internal-local",
    cells: clusterPolicy,
  },
  {
    title: "node port, eTP Cluster, iTP Local, endpoints elsewhere only",
    to: "nodePort",
    service: "internal-local-elsewhere",
    cells: clusterPolicy,
  },
  {
    title: "node port, eTP Local, local endpoint",
    to: "nodePort",
    service: "external-local",
    cells: { ...localPolicy, "P as endpoint": "all", "H from second address": "all+m" },
    ipvs: { ...localForAll, "P as endpoint": "loc", "H from second address": "loc+m" },
  },
  {
    title: "node port, both policies Local, local endpoint",
    to: "nodePort",
    service: "both-local",
    cells: localPolicy,
    ipvs: localForAll,
  },
  {
    title: "node port, eTP Local, none local",
    to: "nodePort",
    service: "external-local-elsewhere",
    cells: localPolicyElsewhere,
  },
  { title: "node port, no endpoints", to: "nodePort", service: "empty", cells: same("reject") },
  {
    title: "node port, eTP Local, no endpoints",
    to: "nodePort",
    service: "empty-local",
    cells: same("reject"),
  },
  {
    title: "node port of a Service with ranges",
    to: "nodePort",
    service: "ranges-outside",
    cells: clusterPolicy,
  },
  {
    title: "node port, UDP to a TCP-only port",
    to: "nodePort",
    service: "tcp-only",
    protocols: ["UDP"],
    cells: same("reject"),
  },
  {
    title: "node port, eTP Local, all endpoints terminating",
    to: "nodePort",
    service: "ending-everywhere",
    cells: { P: "all", H: "all+m", X: "loc" },
    ipvs: localForAll,
  },
  {
    title: "node port, eTP Local, the local endpoint terminating, another ready",
    to: "nodePort",
    service: "ending-here",
    cells: { P: "all", H: "all+m", X: "loc" },
    ipvs: localForAll,
  },
  {
    title: "node port, eTP Local, one ready among terminating endpoints",
    to: "nodePort",
    service: "ending-beside-ready",
    cells: { P: "all", H: "all+m", X: "loc" },
    ipvs: localForAll,
  },
  {
    title: "node port at another address of the node, eTP Cluster",
    to: "nodePort at second address",
    service: "cluster",
    cells: clusterPolicy,
  },
  {
    title: "node port at another address of the node, eTP Local",
    to: "nodePort at second address",
    service: "external-local",
    cells: localPolicy,
    ipvs: localForAll,
  },
  {
    title: "node port at another address of the node, no endpoints",
    to: "nodePort at second address",
    service: "empty",
    cells: same("reject"),
  },

  {
    title: "127.0.0.1:nodePort, eTP Cluster",
    to: "nodePort at loopback",
    service: "cluster",
    families: ["IPv4"],
    cells: { H: "all+m", X: "all+m" },
    nftables: noLoopback,
    // IPVS does not serve loopback addresses.
    ipvs: noLoopback,
  },
  {
    title: "127.0.0.1:nodePort, eTP Local, local endpoint",
    to: "nodePort at loopback",
    service: "external-local",
    families: ["IPv4"],
    cells: { H: "all+m", X: "loc" },
    nftables: noLoopback,
    // IPVS does not serve loopback addresses.
    ipvs: noLoopback,
  },
  {
    title: "127.0.0.1:nodePort, eTP Local, none local",
    to: "nodePort at loopback",
    service: "external-local-elsewhere",
    families: ["IPv4"],
    cells: { H: "all+m", X: "drop" },
    nftables: noLoopback,
    // The rule that drops outside traffic holds for every local address, open to node ports or not.
    closed: "drop",
    // IPVS does not serve loopback addresses.
    ipvs: noLoopback,
  },
  {
    title: "127.0.0.1:nodePort, no endpoints",
    to: "nodePort at loopback",
    service: "empty",
    families: ["IPv4"],
    cells: { H: "reject", X: "drop" },
  },
  {
    title: "[::1]:nodePort",
    to: "nodePort at loopback",
    service: "cluster",
    families: ["IPv6"],
    cells: { H: "reject" },
  },

  {
    title: "external IP, eTP Cluster",
    to: "externalIP",
    service: "cluster",
    cells: { ...clusterPolicy, "P as endpoint": "all+m" },
  },
  {
    title: "external IP, eTP Local, local endpoint",
    to: "externalIP",
    service: "external-local",
    cells: { ...localPolicy, "P as endpoint": "all" },
    ipvs: { ...localForAll, "P as endpoint": "loc" },
  },
  {
    title: "external IP, eTP Local, none local",
    to: "externalIP",
    service: "external-local-elsewhere",
    cells: localPolicyElsewhere,
  },
  {
    title: "external IP, no endpoints",
    to: "externalIP",
    service: "empty",
    cells: { P: "reject", H: "passed on", R: "reject", X: "reject" },
    nftables: outputChecked,
    // The node has the address, so the packet is not passed on.
    ipvs: { H: "reject" },
    userspace: outputChecked,
  },
  {
    title: "external IP that the node holds, no endpoints",
    to: "externalIP",
    service: "empty-bound",
    cells: same("reject"),
  },
  {
    title: "external IP of a Service with ranges",
    to: "externalIP",
    service: "ranges-outside",
    cells: clusterPolicy,
  },

  { title: "LB IP, no ranges, eTP Cluster", to: "loadBalancerIP", service: "cluster", cells: clusterPolicy },
  {
    title: "LB IP, no ranges, eTP Local, local endpoint",
    to: "loadBalancerIP",
    service: "external-local",
    cells: localPolicy,
    ipvs: localForAll,
  },
  {
    title: "LB IP, no ranges, eTP Local, none local",
    to: "loadBalancerIP",
    service: "external-local-elsewhere",
    cells: localPolicyElsewhere,
  },
  {
    title: "LB IP, no ranges, no endpoints",
    to: "loadBalancerIP",
    service: "empty",
    cells: { P: "reject", H: "passed on", R: "reject", X: "reject" },
    nftables: outputChecked,
    // The node has the address, so the packet is not passed on.
    ipvs: { H: "reject" },
    userspace: outputChecked,
  },
  {
    title: "LB IP, ranges, eTP Cluster",
    to: "loadBalancerIP",
    service: "ranges",
    cells: { ...clusterPolicy, "X outside ranges": "drop", "H from second address": "drop" },
  },
  {
    title: "LB IP, ranges, eTP Local, local endpoint",
    to: "loadBalancerIP",
    service: "ranges-local",
    cells: { ...localPolicy, "X outside ranges": "drop", "H from second address": "drop" },
    ipvs: localForAll,
  },
  {
    title: "LB IP, ranges, eTP Local, none local",
    to: "loadBalancerIP",
    service: "ranges-local-elsewhere",
    cells: { ...localPolicyElsewhere, "X outside ranges": "drop" },
  },
  {
    title: "LB IP, source outside the ranges, eTP Cluster",
    to: "loadBalancerIP",
    service: "ranges-outside",
    cells: same("drop"),
  },
  {
    title: "LB IP, source outside the ranges, eTP Local",
    to: "loadBalancerIP",
    service: "ranges-outside-local",
    cells: same("drop"),
  },
  {
    title: "LB IP, ranges, no endpoints",
    to: "loadBalancerIP",
    service: "ranges-empty",
    cells: { P: "reject", H: "passed on", R: "reject", X: "reject", "X outside ranges": "reject" },
    // The ranges are looked at before anything else.
    nftables: { ...outputChecked, "X outside ranges": "drop" },
    ipvs: { H: "reject", "X outside ranges": "drop" },
    userspace: { ...outputChecked, "X outside ranges": "drop" },
  },
  {
    title: "LB IP that the node holds, ranges with the node",
    to: "loadBalancerIP",
    service: "ranges-bound",
    cells: { ...clusterPolicy, "X outside ranges": "drop" },
  },
  {
    title: "LB IP that the node holds, ranges without the node",
    to: "loadBalancerIP",
    service: "ranges-bound-without-node",
    cells: { P: "all+m", H: "drop", R: "all+m", X: "all+m" },
  },
  {
    title: "LB IP with ipMode Proxy",
    to: "loadBalancerIP",
    service: "proxy-mode",
    cells: same("passed on"),
  },
  {
    title: "node port of a Service whose LB IP has ipMode Proxy",
    to: "nodePort",
    service: "proxy-mode",
    cells: clusterPolicy,
  },
];
