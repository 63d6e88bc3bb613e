/**
 * The address plan of the testbed. Everything on the wire has an IPv4 and an IPv6 address.
 *
 *     x (client) ──┐                       ┌── r1, r2   pods of node2
 *                  │   wire                │
 *     world ───────┼─────────── node2 ─────┘
 *     (default     │
 *      gateway)    └─ node ── p1, p2, p3   pods of the node under test
 *
 * `world` is also the bridge of the wire, and answers at every service address that the node lets pass untranslated.
 */
import type { IpFamily, PerFamily } from "../../../src/model/types.ts";

export type HostName = "world" | "node" | "node2" | "x";
export type PodName = "p1" | "p2" | "p3" | "r1" | "r2";
export type MemberName = HostName | PodName;

export interface Member {
  readonly address: PerFamily<string>;
  /** The node that a pod runs on. */
  readonly on?: "node" | "node2";
}

const both = (IPv4: string, IPv6: string): PerFamily<string> => ({ IPv4, IPv6 });

export const MEMBERS: Readonly<Record<MemberName, Member>> = {
  world: { address: both("192.0.2.254", "2001:db8::fe") },
  node: { address: both("192.0.2.1", "2001:db8::1") },
  node2: { address: both("192.0.2.2", "2001:db8::2") },
  x: { address: both("192.0.2.129", "2001:db8::8000:1") },
  p1: { address: both("10.244.0.11", "fd00:10:244::11"), on: "node" },
  p2: { address: both("10.244.0.12", "fd00:10:244::12"), on: "node" },
  p3: { address: both("10.244.0.13", "fd00:10:244::13"), on: "node" },
  r1: { address: both("10.244.1.21", "fd00:10:244:1::21"), on: "node2" },
  r2: { address: both("10.244.1.22", "fd00:10:244:1::22"), on: "node2" },
};

export const HOSTS = ["world", "node", "node2", "x"] as const satisfies readonly HostName[];

/** A node's address towards its own pods, which is also their gateway. */
export const POD_GATEWAY: Readonly<Record<"node" | "node2", PerFamily<string>>> = {
  node: both("10.244.0.1", "fd00:10:244::1"),
  node2: both("10.244.1.1", "fd00:10:244:1::1"),
};

/** The node's pods hang on interfaces with this prefix. */
export const POD_INTERFACE_PREFIX = "pod-";

export const CLUSTER_CIDR = both("10.244.0.0/16", "fd00:10:244::/48");
export const NODE_POD_CIDR: Readonly<Record<"node" | "node2", PerFamily<string>>> = {
  node: both("10.244.0.0/24", "fd00:10:244::/64"),
  node2: both("10.244.1.0/24", "fd00:10:244:1::/64"),
};
export const WIRE_PREFIX: PerFamily<number> = { IPv4: 24, IPv6: 64 };

/** The part of the wire's network that holds the client's addresses. */
export const CLIENT_RANGE = both("192.0.2.128/25", "2001:db8::8000:0/112");

/** A further address of the node, on no wire; the others reach it by route. */
export const SECOND_NODE_ADDRESS = both("198.18.0.1", "2001:db8:18::1");

/** Where service addresses come from: the others send these networks to the node. */
export const SERVICE_NETWORKS = {
  clusterIP: both("10.96.0.0/16", "fd00:10:96::/112"),
  externalIP: both("198.51.100.0/24", "2001:db8:51::/64"),
  loadBalancerIP: both("203.0.113.0/24", "2001:db8:113::/64"),
} as const;

/** How many addresses the client has, the first one being its own. */
export const CLIENT_ADDRESSES = 20;

/** Address number `index` (from 0) of the client. */
export function clientAddress(family: IpFamily, index: number): string {
  return family === "IPv4" ? `192.0.2.${129 + index}` : `2001:db8::8000:${(1 + index).toString(16)}`;
}
