/** From claims to elements: some claims stand for elements of several sets, which change together. Pure. */
import { next, u32 } from "./bytes.ts";
import type { ClaimChange } from "./claims.ts";
import { type ElementChange, INTERVAL_END, INTERVAL_START } from "./element-change.ts";
import { ROUTES, type Route, routeNames } from "./layout.ts";
import { split, tagsOf } from "./ring.ts";

/** Claims on a load balancer's address: the value is the ranges that may use it, first and last address of each. */
export const FIREWALL = "firewall";
/** Claims on a CIDR of Services: the value is its last address. */
export const SERVICE_CIDRS = "service-cidrs";

/** Claims on the endpoints behind an address or node port: the value is the joined ring. */
export function ringGroup(route: Route, affinity: boolean): string {
  return `${routeNames(route).endpoints}${affinity ? " with affinity" : ""}`;
}

const RINGS = new Map(
  ROUTES.flatMap((route) =>
    [false, true].map(
      (affinity) => [ringGroup(route, affinity), { route, names: routeNames(route), affinity }] as const,
    ),
  ),
);

/** The route whose endpoints a claim is on; undefined for another claim. */
export function ringOf({ set }: { readonly set: string }): Route | undefined {
  return RINGS.get(set)?.route;
}

/** Bytes of an address of the family. */
type AddressBytes = 4 | 16;

/** The elements that a changed claim changes. */
export function* expand(change: ClaimChange, addressBytes: AddressBytes): Generator<ElementChange> {
  const { set, key, before, after } = change;
  const ring = RINGS.get(set);
  if (ring !== undefined) {
    const width = addressBytes + 4;
    yield* expandCount(ring.names.counts, key, count(before, width), count(after, width));
    if (ring.affinity) yield* expandTags(ring.names, change, width);
    else yield* expandSlots(ring.names.endpoints, change, width);
  } else if (set === FIREWALL) {
    if (before === undefined || after === undefined)
      yield { set: "firewall-ips", key, before: presence(before), after: presence(after) };
    yield* expandRanges(change, addressBytes);
  } else if (set === SERVICE_CIDRS) {
    yield { set, key: key + INTERVAL_START, before: presence(before), after: presence(after) };
    const end = next(before ?? after ?? "");
    // An interval up to the last address of all has no end.
    if (end !== undefined)
      yield { set, key: end + INTERVAL_END, before: presence(before), after: presence(after) };
  } else {
    yield change;
  }
}

function presence(value: string | undefined): string | undefined {
  return value === undefined ? undefined : "";
}

function count(joined: string | undefined, width: number): string | undefined {
  return joined === undefined ? undefined : u32(joined.length / width);
}

function* expandCount(
  set: string,
  key: string,
  before: string | undefined,
  after: string | undefined,
): Generator<ElementChange> {
  if (before !== after) yield { set, key, before, after };
}

function* expandSlots(
  set: string,
  { key, before = "", after = "" }: ClaimChange,
  width: number,
): Generator<ElementChange> {
  const end = Math.max(before.length, after.length);
  for (let at = 0; at < end; at += width) {
    const old = at < before.length ? before.slice(at, at + width) : undefined;
    const now = at < after.length ? after.slice(at, at + width) : undefined;
    if (old !== now) yield { set, key: key + u32(at / width), before: old, after: now };
  }
}

/** Index to tag, and tag to endpoint. */
function* expandTags(
  names: { readonly affinityTags: string; readonly affinityEndpoints: string },
  { key, before = "", after = "" }: ClaimChange,
  width: number,
): Generator<ElementChange> {
  const old = tagged(before, width);
  const now = tagged(after, width);
  for (let i = 0; i < Math.max(old.length, now.length); i++) {
    const [was, is] = [old[i]?.tag, now[i]?.tag];
    if (was !== is) yield { set: names.affinityTags, key: key + u32(i), before: was, after: is };
  }
  const was = new Map(old.map(({ tag, endpoint }) => [tag, endpoint]));
  const is = new Map(now.map(({ tag, endpoint }) => [tag, endpoint]));
  for (const tag of new Set([...was.keys(), ...is.keys()])) {
    const change = { set: names.affinityEndpoints, key: key + tag, before: was.get(tag), after: is.get(tag) };
    if (change.before !== change.after) yield change;
  }
}

function tagged(joined: string, width: number): { readonly tag: string; readonly endpoint: string }[] {
  const endpoints = split(joined, width);
  const tags = tagsOf(endpoints);
  return endpoints.map((endpoint, i) => ({ endpoint, tag: u32(tags[i] ?? 0) }));
}

/** The kernel takes intervals over several parts as a first and a last key. */
function* expandRanges(
  { key, before = "", after = "" }: ClaimChange,
  addressBytes: number,
): Generator<ElementChange> {
  const old = new Set(split(before, 2 * addressBytes));
  const now = new Set(split(after, 2 * addressBytes));
  const element = (range: string): string =>
    key + range.slice(0, addressBytes) + key + range.slice(addressBytes);
  for (const range of old) {
    if (!now.has(range)) yield { set: "firewall-allowed", key: element(range), before: "", after: undefined };
  }
  for (const range of now) {
    if (!old.has(range)) yield { set: "firewall-allowed", key: element(range), before: undefined, after: "" };
  }
}
