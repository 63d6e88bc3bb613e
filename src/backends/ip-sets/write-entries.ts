/** Writes entries of several sets, in the order of their table. */
import { addEntries, deleteEntries } from "../../netlink/ipset/change.ts";
import type { IpsetEntryError } from "../../netlink/ipset/errors.ts";
import { destroySet } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { EntriesByRole, SetTable } from "./set-table.ts";

/** Adds entries; returns those that the kernel refused. Throws an IpsetError when a set is gone. */
export function addToSets<Role extends string>(
  socket: NetlinkSocket,
  table: SetTable<Role>,
  entries: EntriesByRole<Role>,
): (readonly [Role, IpsetEntryError])[] {
  const refused: (readonly [Role, IpsetEntryError])[] = [];
  for (const [role, spec] of table) {
    const list = entries.get(role) ?? [];
    if (list.length === 0) continue;
    for (const error of addEntries(socket, spec, list)) refused.push([role, error]);
  }
  return refused;
}

/** Removes entries. Throws an IpsetError when a set is gone, or an entry stays. */
export function removeFromSets<Role extends string>(
  socket: NetlinkSocket,
  table: SetTable<Role>,
  entries: EntriesByRole<Role>,
): void {
  for (const [role, spec] of [...table].reverse()) {
    const list = entries.get(role) ?? [];
    const [error] = list.length === 0 ? [] : deleteEntries(socket, spec, list);
    if (error !== undefined) throw error;
  }
}

/**
 * Destroys all sets of the table, which no rule may use any more; returns whether there were any. All are tried before the
 * first IpsetError is thrown.
 */
export function destroySets(socket: NetlinkSocket, table: SetTable<string>): boolean {
  let destroyed = false;
  const errors: unknown[] = [];
  for (const { name } of table.values()) {
    try {
      if (destroySet(socket, name)) destroyed = true;
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return destroyed;
}
