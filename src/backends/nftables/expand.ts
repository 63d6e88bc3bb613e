/** From claims to elements: some claims stand for elements of several sets, which change together. Pure. */

import type { ClaimChange } from "../claims.ts";
import { next, u32 } from "./bytes.ts";
import { type ElementChange, INTERVAL_END, INTERVAL_START } from "./element-change.ts";
import { ROUTES, type Route, routeNames } from "./layout.ts";
import { split, tagsOf } from "./ring.ts";

/** Claims on a load balancer's address: the value is the ranges that may use it, first and last address of each. */
export const FIREWALL = "firewall";
/** Claims on a CIDR of Services: the value is its last address. */
export const SERVICE_CIDRS = "service-cidrs";

/**
 * Claims on the endpoints behind an address or node port: see `ringValue`. With and without affinity they are one group,
 * as of two Services that name the same address only one has it.
 */
export function ringGroup(route: Route): string {
  return routeNames(route).endpoints;
}

/** Endpoints have a multiple of four bytes, so that the length tells whether there is a mark behind them. */
const AFFINITY_MARK = "+";

/** The value of a claim on endpoints: the joined ring, marked if clients are pinned. */
export function ringValue(joined: string, affinity: boolean): string {
  return affinity ? joined + AFFINITY_MARK : joined;
}

const RINGS = new Map(ROUTES.map((route) => [ringGroup(route), route]));

/** The route whose endpoints a claim is on; undefined for another claim. */
export function ringOf({ set }: { readonly set: string }): Route | undefined {
  return RINGS.get(set);
}

/** Bytes of an address of the family. */
type AddressBytes = 4 | 16;

/** The elements that a changed claim changes. */
export function* expand(change: ClaimChange, addressBytes: AddressBytes): Generator<ElementChange> {
  const { set, key, before, after } = change;
  const route = RINGS.get(set);
  if (route !== undefined) {
    yield* expandRing(route, change, addressBytes + 4);
  } else if (set === FIREWALL) {
    if (before === undefined || after === undefined)
      yield { set: "firewall-ips", key, before: presence(before), after: presence(after) };
    yield* expandRanges(change, addressBytes);
  } else if (set === SERVICE_CIDRS) {
    yield* expandCidr(change);
  } else {
    yield change;
  }
}

function* expandCidr({ set, key, before, after }: ClaimChange): Generator<ElementChange> {
  if (before === undefined || after === undefined)
    yield { set, key: key + INTERVAL_START, before: presence(before), after: presence(after) };
  // An interval up to the last address of all has no end.
  const [old, now] = [before && next(before), after && next(after)];
  if (old !== undefined && old !== now) yield { set, key: old + INTERVAL_END, before: "", after: undefined };
  if (now !== undefined && now !== old) yield { set, key: now + INTERVAL_END, before: undefined, after: "" };
}

function presence(value: string | undefined): string | undefined {
  return value === undefined ? undefined : "";
}

/** `width` is the length of an endpoint. */
function* expandRing(
  route: Route,
  { key, before, after }: ClaimChange,
  width: number,
): Generator<ElementChange> {
  const names = routeNames(route);
  const [old, now] = [readRing(before), readRing(after)];
  const count = ({ slots, tagged }: typeof old): string => u32((slots ?? tagged ?? "").length / width);
  const counts = { before: before && count(old), after: after && count(now) };
  yield* expandCount(names.counts, key, counts.before, counts.after);
  yield* expandSlots(names.endpoints, { key, before: old.slots, after: now.slots }, width);
  yield* expandTags(names, { key, before: old.tagged, after: now.tagged }, width);
}

/** A ring without affinity, or one with. */
function readRing(value: string | undefined): {
  readonly slots: string | undefined;
  readonly tagged: string | undefined;
} {
  return value !== undefined && value.length % 4 !== 0
    ? { slots: undefined, tagged: value.slice(0, -AFFINITY_MARK.length) }
    : { slots: value, tagged: undefined };
}

/** Rings before and after, joined. */
type RingChange = Pick<ClaimChange, "key" | "before" | "after">;

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
  { key, before = "", after = "" }: RingChange,
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
  { key, before = "", after = "" }: RingChange,
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
