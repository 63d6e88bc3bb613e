/**
 * What the kernel has in the maps of endpoints, found out without reading them where possible: a dump of 250,000
 * elements takes the kernel a second, as it counts from the start for every 32 KiB, while adding elements that are there
 * already is quick and changes nothing.
 */

import type { NetlinkRequest } from "../../netlink/messages.ts";
import { tryCommit } from "../../netlink/nftables/batch.ts";
import { addElements, getElements } from "../../netlink/nftables/elements.ts";
import type { TableRef } from "../../netlink/nftables/objects.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { Claim } from "../claims.ts";
import { readU32, u32 } from "./bytes.ts";
import { ROUTES, type RouteNames, routeNames } from "./layout.ts";
import { split } from "./ring.ts";
import { readElements, type TableState } from "./table-state.ts";

export interface ComparedRings {
  /** Rings that the kernel has exactly as wanted, by `ringName`. */
  readonly right: ReadonlySet<string>;
  /** Elements of the maps that were not read, by set. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Elements that were missing and have been added. */
  readonly added: number;
}

export interface CompareOptions {
  /** Bytes of a slot. */
  readonly width: number;
  /** Number of the ruleset when the state was read; undefined = do not mind what changed since. */
  readonly generation: number | undefined;
}

/** How a ring is named in ComparedRings. */
export function ringName({ set, key }: Pick<Claim, "set" | "key">): string {
  return `${set} ${key}`;
}

/**
 * Compares the wanted rings with the kernel's. Elements of the
 * others are put into the table's state. Slots that are missing in the kernel may have been added. Throws a
 * NetlinkError, ERESTART if somebody changed any table since the state was read.
 */
export async function compareRings(
  socket: NetlinkSocket,
  table: TableRef,
  kernel: TableState,
  wanted: Iterable<Claim>,
  { width, generation }: CompareOptions,
): Promise<ComparedRings> {
  const right = new Set<string>();
  const sizes = new Map<string, number>();
  let added = 0;
  const bySet = Map.groupBy(wanted, ({ set }) => set);
  for (const names of ROUTES.map(routeNames)) {
    const size = kernel.unread.get(names.endpoints);
    if (size === undefined) continue;
    const counts = ringSizes(kernel, names);
    const rings = (bySet.get(names.endpoints) ?? []).filter(
      ({ key, value }) => counts.get(key) === value.length / width,
    );
    const others = assertRings(socket, table, rings, { counts, size, width, generation });
    const elements = others && fetchRings(socket, table, names.endpoints, others, counts);
    kernel.elements.set(names.endpoints, elements ?? (await readElements(socket, table, names.endpoints)));
    if (elements === undefined) continue;
    for (const ring of rings) if (others?.has(ring.key) === false) right.add(ringName(ring));
    const sum = total(counts);
    added += sum - size;
    sizes.set(names.endpoints, sum);
  }
  return { right, sizes, added };
}

/** How many slots each ring has, according to the map of counts. Those with affinity are in other maps. */
function ringSizes({ elements }: TableState, names: RouteNames): Map<string, number> {
  const affinity = elements.get(names.affinityServices);
  const sizes = new Map<string, number>();
  for (const [key, value] of elements.get(names.counts) ?? []) {
    if (affinity?.has(key) !== true) sizes.set(key, readU32(value));
  }
  return sizes;
}

function total(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}

/** Adds all rings once more. Returns the keys of those that must be looked at; undefined = all, whatever their keys. */
function assertRings(
  socket: NetlinkSocket,
  table: TableRef,
  rings: readonly Claim[],
  { counts, size, width, generation }: CompareOptions & { counts: ReadonlyMap<string, number>; size: number },
): ReadonlySet<string> | undefined {
  const sum = total(counts);
  // Elements that belong to no ring can only be found by reading all.
  if (size > sum) return undefined;
  const owners: string[] = [];
  const requests: NetlinkRequest[] = [];
  for (const { set, key, value } of rings) {
    const slots = split(value, width).map((data, i) => ({ key: key + u32(i), data }));
    for (const request of addElements(table, set, slots)) {
      requests.push(request);
      owners.push(key);
    }
  }
  const failures = tryCommit(socket, "compare endpoints", requests, generation);
  const others = new Set(counts.keys());
  for (const { key } of rings) others.delete(key);
  for (const failure of failures) {
    const owner = owners[failure.request];
    if (owner === undefined || failure.code !== "EEXIST") throw failure;
    others.add(owner);
  }
  // Some elements are missing, and what was added to find out was taken back.
  return size < sum && failures.length > 0 ? undefined : others;
}

/** The elements of some rings; undefined if one is not there. */
function fetchRings(
  socket: NetlinkSocket,
  table: TableRef,
  set: string,
  keys: ReadonlySet<string>,
  counts: ReadonlyMap<string, number>,
): Map<string, string> | undefined {
  const elements = new Map<string, string>();
  for (const key of keys) {
    const slots = Array.from({ length: counts.get(key) ?? 0 }, (_, i) => key + u32(i));
    const found = getElements(socket, table, set, slots);
    if (found === undefined) return undefined;
    for (const [slot, data] of found) elements.set(slot, data);
  }
  return elements;
}
