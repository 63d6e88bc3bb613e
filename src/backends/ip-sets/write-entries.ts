/** Writes entries of several sets, in the order of their table. */
import { addEntries, deleteEntries } from "../../netlink/ipset/change.ts";
import type { IpsetEntryError } from "../../netlink/ipset/errors.ts";
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
