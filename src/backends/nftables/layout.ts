/**
 * The names and shapes of everything in the table `kube-proxy`. Rules are constant: Services and endpoints are elements
 * of these sets and maps, so a change costs a few elements whatever the size of the cluster (docs/nftables.md).
 */
import type { IpFamily } from "../../model/types.ts";
import * as types from "../../netlink/nftables/data-types.ts";
import type { SetSpec, TableRef } from "../../netlink/nftables/objects.ts";
import {
  NFT_SET_CONCAT,
  NFT_SET_EVAL,
  NFT_SET_INTERVAL,
  NFT_SET_TIMEOUT,
} from "../../netlink/nftables/protocol.ts";

const TABLE_NAME = "kube-proxy";

/** The table of a family. */
export function tableOf(family: IpFamily): TableRef {
  return { family: family === "IPv4" ? "ip" : "ip6", name: TABLE_NAME };
}

/** How a client's packet names the service port: by one of its addresses, or by its node port. */
export type Way = "ip" | "nodePort";
/** The endpoints that a packet is balanced over: all that policy Cluster allows, or those on this node. */
export type Ring = "cluster" | "local";

/** A way and a ring; most sets and chains exist once for each. */
export interface Route {
  readonly way: Way;
  readonly ring: Ring;
}

export const WAYS: readonly Way[] = ["ip", "nodePort"];
export const ROUTES: readonly Route[] = WAYS.flatMap((way) => [
  { way, ring: "cluster" },
  { way, ring: "local" },
]);

/** Values of `service-ips` and `service-nodeports`: how to treat the packet. */
export const LOCAL_ONLY = 0x1; // Endpoints on this node, whoever asks.
export const EXTERNAL_LOCAL = 0x2; // Endpoints on this node for those outside, all for pods and the node itself.
export const MASQUERADE_UNLESS_POD = 0x4;
export const MASQUERADE_ALWAYS = 0x8;
export const AFFINITY = 0x10;

/** The map with the flags above. */
export function servicesMap(way: Way): string {
  return way === "ip" ? "service-ips" : "service-nodeports";
}

/** Sets and chains of a route. */
export interface RouteNames {
  /** Map to the number of endpoints. */
  readonly counts: string;
  /** Map from an index to an endpoint. */
  readonly endpoints: string;
  /** Verdict map to the chain for the affinity's time-out. */
  readonly affinityServices: string;
  /** Map from an index to the tag of an endpoint, for service ports with affinity. */
  readonly affinityTags: string;
  /** Map from a tag to the endpoint. */
  readonly affinityEndpoints: string;
  /** Map from a client to a tag; packets fill it. */
  readonly affinityClients: string;
  /** Chain that picks an endpoint. */
  readonly pick: string;
}

export function routeNames({ way, ring }: Route): RouteNames {
  const prefix = (ring === "local" ? "local-" : "") + (way === "nodePort" ? "nodeport-" : "");
  return {
    counts: `${prefix}endpoint-counts`,
    endpoints: `${prefix}endpoints`,
    affinityServices: `${prefix}affinity-services`,
    affinityTags: `${prefix}affinity-tags`,
    affinityEndpoints: `${prefix}affinity-endpoints`,
    affinityClients: `${prefix}affinity-clients`,
    pick: `${prefix}pick`,
  };
}

/** Chain that pins clients for so many seconds. */
export function affinityChain({ way, ring }: Route, seconds: number): string {
  return `${routeNames({ way, ring }).pick}-affinity-${seconds}`;
}

/** What the name of an affinity chain says; undefined for another chain. */
export function parseAffinityChain(
  name: string,
): { readonly route: Route; readonly seconds: number } | undefined {
  const [, pick, seconds] = /^(.*pick)-affinity-([1-9]\d*)$/.exec(name) ?? [];
  const route = ROUTES.find((each) => routeNames(each).pick === pick);
  return route && { route, seconds: Number(seconds) };
}

/** Verdict map from a number of endpoints to the chain that draws one. */
export const DRAW = "draw";

/** Chain that draws a number below `count`. */
export function drawChain(count: number): string {
  return `draw-${count}`;
}

/** The number in the name of a drawing chain; undefined for another chain. */
export function parseDrawChain(name: string): number | undefined {
  const [, count] = /^draw-([1-9]\d*)$/.exec(name) ?? [];
  return count === undefined ? undefined : Number(count);
}

/** Clients that may be pinned at a time by each route; a client more is served without affinity. */
const AFFINITY_SIZE = 1_048_576;

interface Shape {
  readonly comment: string;
  readonly key: readonly types.DataType[];
  readonly data?: readonly types.DataType[] | "verdict";
  readonly flags?: number;
  readonly size?: number;
  readonly counter?: boolean;
}

/** The sets and maps of a family. `counters`: count the new connections of every address and node port. */
export function setSpecs(family: IpFamily, counters: boolean): SetSpec[] {
  return Object.entries(shapes(family, counters)).map(([name, { comment, key, data, ...shape }]) => {
    const isRanges = ((shape.flags ?? 0) & NFT_SET_CONCAT) !== 0;
    return {
      name,
      ...shape,
      key: types.valueSpec(key),
      userdata: types.setUserdata(key, data, comment),
      ...(data === undefined ? {} : { data: data === "verdict" ? data : types.valueSpec(data) }),
      ...(isRanges ? { fields: types.fieldLengths(key) } : {}),
    };
  });
}

function shapes(family: IpFamily, counter: boolean): Readonly<Record<string, Shape>> {
  const daddr = family === "IPv4" ? types.IP_DADDR : types.IP6_DADDR;
  const saddr = family === "IPv4" ? types.IP_SADDR : types.IP6_SADDR;
  const { L4PROTO, TH_DPORT, META_MARK, NUMBER } = types;
  const nodePort = [L4PROTO, TH_DPORT];
  const vip = [daddr, ...nodePort];
  const ranges = { flags: NFT_SET_INTERVAL | NFT_SET_CONCAT };
  const flags = "1 local endpoints, 2 for outsiders, 4 masquerade non-pods, 8 all, 0x10 affinity";
  const sets: Record<string, Shape> = {
    "service-ips": { comment: flags, key: vip, data: [META_MARK], counter },
    "service-nodeports": { comment: flags, key: nodePort, data: [META_MARK], counter },
    "nodeport-ips": { comment: "addresses that accept node ports", key: [daddr] },
    "no-endpoint-services": { comment: "rejected", key: vip },
    "no-endpoint-nodeports": { comment: "rejected", key: nodePort },
    "no-local-services": { comment: "policy Local and no endpoint here: dropped", key: vip },
    "no-local-nodeports": { comment: "policy Local and no endpoint here: dropped", key: nodePort },
    "firewall-ips": { comment: "load balancers with source ranges", key: vip },
    "firewall-allowed": { comment: "and who may use them", key: [...vip, saddr], ...ranges },
    "cluster-ips": { comment: "other ports of these are rejected", key: [daddr] },
    "service-cidrs": {
      comment: "other addresses in these are dropped",
      key: [daddr],
      flags: NFT_SET_INTERVAL,
    },
    "hairpin-connections": { comment: "endpoints of this node to themselves", key: [saddr, daddr] },
    [DRAW]: { comment: "number of endpoints", key: [NUMBER], data: "verdict" },
  };
  for (const route of ROUTES) {
    const names = routeNames(route);
    const key = route.way === "ip" ? vip : nodePort;
    const endpoint = [daddr, TH_DPORT];
    sets[names.counts] = { comment: "number of endpoints", key, data: [NUMBER] };
    sets[names.endpoints] = { comment: "index : endpoint", key: [...key, NUMBER], data: endpoint };
    sets[names.affinityServices] = { comment: "chain for the time-out", key, data: "verdict" };
    sets[names.affinityTags] = {
      comment: "index : tag of endpoint",
      key: [...key, NUMBER],
      data: [META_MARK],
    };
    sets[names.affinityEndpoints] = { comment: "tag : endpoint", key: [...key, META_MARK], data: endpoint };
    sets[names.affinityClients] = {
      comment: "client : tag of its endpoint",
      key: [...key, saddr],
      data: [META_MARK],
      flags: NFT_SET_EVAL | NFT_SET_TIMEOUT,
      size: AFFINITY_SIZE,
    };
  }
  return sets;
}
