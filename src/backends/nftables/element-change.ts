/** Differences between two states of the table's sets, and the requests that bring one to the other. Pure. */
import type { NetlinkRequest } from "../../netlink/messages.ts";
import { addElements, deleteElements, type SetElement } from "../../netlink/nftables/elements.ts";
import type { TableRef } from "../../netlink/nftables/objects.ts";
import { ROUTES, routeNames } from "./layout.ts";

/** An element that appears (`before` undefined), disappears (`after` undefined) or gets another value. Sets have "". */
export interface ElementChange {
  readonly set: string;
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Sets of intervals over a concatenation: key and end of the interval are both in the change's key, half each. */
export const RANGE_SETS: ReadonlySet<string> = new Set(["firewall-allowed"]);
/**
 * Sets of intervals over one address: the kernel has one element where the interval starts and one where it ends, which
 * may be at the start of another. So the change's key ends with one of these letters.
 */
export const INTERVAL_SETS: ReadonlySet<string> = new Set(["service-cidrs"]);
export const INTERVAL_START = "s";
export const INTERVAL_END = "e";
/** Maps whose values are names of chains. */
export const VERDICT_MAPS: ReadonlySet<string> = new Set(
  ROUTES.map((route) => routeNames(route).affinityServices),
);
/** The requests for all changes, each set's removals first: a value can only be changed by removing and adding. */
export function elementRequests(table: TableRef, changes: Iterable<ElementChange>): NetlinkRequest[] {
  const bySet = new Map<string, { gone: SetElement[]; added: SetElement[] }>();
  for (const change of changes) {
    let lists = bySet.get(change.set);
    if (lists === undefined) {
      lists = { gone: [], added: [] };
      bySet.set(change.set, lists);
    }
    if (change.before !== undefined) lists.gone.push(elementOf(change, change.before));
    if (change.after !== undefined) lists.added.push(elementOf(change, change.after));
  }
  const requests: NetlinkRequest[] = [];
  for (const [set, { gone }] of bySet) requests.push(...deleteElements(table, set, gone));
  for (const [set, { added }] of bySet) requests.push(...addElements(table, set, added));
  return requests;
}

function elementOf({ set, key }: ElementChange, value: string): SetElement {
  if (RANGE_SETS.has(set)) {
    const half = key.length / 2;
    return { key: key.slice(0, half), keyEnd: key.slice(half) };
  }
  if (VERDICT_MAPS.has(set)) return { key, verdict: { goto: value } };
  if (INTERVAL_SETS.has(set)) return { key: key.slice(0, -1), intervalEnd: key.endsWith(INTERVAL_END) };
  return value === "" ? { key } : { key, data: value };
}
