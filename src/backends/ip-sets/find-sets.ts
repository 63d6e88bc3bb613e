/** What the kernel has of a mode's sets. */
import { listHeaders, readEntries } from "../../netlink/ipset/read.ts";
import type { SetHeader } from "../../netlink/ipset/requests.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { SetTable } from "./set-table.ts";

/** The sets as they are: one that is not there is in none of the maps. */
export interface FoundSets<Role extends string> {
  readonly headers: ReadonlyMap<Role, SetHeader>;
  /** Only of sets that have the wanted type and family. */
  readonly entries: ReadonlyMap<Role, Set<string>>;
}

/** Reads all sets that bear the names of the table. Throws a NetlinkError. */
export async function findSets<Role extends string>(
  socket: NetlinkSocket,
  table: SetTable<Role>,
): Promise<FoundSets<Role>> {
  const all = new Map((await listHeaders(socket)).map((header) => [header.name, header]));
  const headers = new Map<Role, SetHeader>();
  const entries = new Map<Role, Set<string>>();
  for (const [role, spec] of table) {
    const header = all.get(spec.name);
    if (header === undefined) continue;
    headers.set(role, header);
    const isSame = header.type === spec.type && (header.family ?? spec.family) === spec.family;
    if (isSame) entries.set(role, await readEntries(socket, spec));
  }
  return { headers, entries };
}

/** The first set that is gone or has another number of entries, in words; undefined when there is none. */
export async function findSetDrift<Role extends string>(
  socket: NetlinkSocket,
  table: SetTable<Role>,
  counts: ReadonlyMap<Role, number>,
): Promise<string | undefined> {
  const headers = new Map((await listHeaders(socket)).map((header) => [header.name, header]));
  for (const [role, { name }] of table) {
    const wanted = counts.get(role) ?? 0;
    const header = headers.get(name);
    if (header === undefined) return `set ${name} is gone`;
    // Before Linux 4.11 the kernel does not tell.
    if (header.entries !== undefined && header.entries !== wanted)
      return `set ${name} has ${header.entries} entries instead of ${wanted}`;
  }
  return undefined;
}
