/** Makes sure that a mode's sets are there in the right shape, before rules refer to them. */
import { addEntries } from "../../netlink/ipset/change.ts";
import type { SetSpec } from "../../netlink/ipset/requests.ts";
import { compareHeader, createSet, destroySet, swapSets } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { BackendError } from "../backend.ts";
import type { FoundSets } from "./find-sets.ts";
import type { SetTable } from "./set-table.ts";

/** Takes the place of a set for the moment of an exchange. */
const STAND_IN = "KUBE-STAND-IN";

/**
 * Creates what is missing. A set that is too small, as upstream's are, is exchanged at once for one that has the wanted
 * entries, so no rule misses any. Returns the roles of sets that need no more adding. Throws a BackendError for a set of
 * another type, which cannot be exchanged while rules use it, and an IpsetError.
 */
export function ensureSets<Role extends string>(
  socket: NetlinkSocket,
  table: SetTable<Role>,
  { headers }: Pick<FoundSets<Role>, "headers">,
  wanted: ReadonlyMap<Role, ReadonlySet<string>>,
): ReadonlySet<Role> {
  const exchanged = new Set<Role>();
  for (const [role, spec] of table) {
    const header = headers.get(role);
    if (header === undefined) {
      createSet(socket, spec);
      continue;
    }
    const mismatch = compareHeader(header, spec);
    if (mismatch === undefined) continue;
    if (mismatch.property !== "maxelem") {
      const how = "stop the proxy and run it once with --cleanup";
      throw new BackendError("SET_MISMATCH", `${mismatch.message}; ${how}`, { cause: mismatch });
    }
    exchange(socket, spec, wanted.get(role) ?? new Set());
    exchanged.add(role);
  }
  return exchanged;
}

function exchange(socket: NetlinkSocket, spec: SetSpec, entries: ReadonlySet<string>): void {
  const standIn = { ...spec, name: spec.family === "inet" ? STAND_IN : `${STAND_IN}-6` };
  destroySet(socket, standIn.name);
  createSet(socket, standIn);
  addEntries(socket, standIn, entries);
  swapSets(socket, standIn.name, spec.name);
  destroySet(socket, standIn.name);
}
