/** Makes sure that our sets are there in the right shape, before rules refer to them. */
import type { IpFamily } from "../../model/types.ts";
import { addEntries } from "../../netlink/ipset/change.ts";
import type { SetSpec } from "../../netlink/ipset/requests.ts";
import { compareHeader, createSet, destroySet, swapSets } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { BackendError } from "../backend.ts";
import type { FoundSets } from "./found.ts";
import { SET_ROLES, type SetRole } from "./names.ts";
import { setSpec } from "./set-specs.ts";

/** Takes the place of a set for the moment of an exchange. */
const STAND_IN = "KUBE-STAND-IN";

/**
 * Creates what is missing. A set that is too small, as upstream's are, is exchanged at once for one that has the wanted
 * entries, so no rule misses any. Returns the roles of sets that need no more adding. Throws a BackendError for a set of
 * another type, which cannot be exchanged while rules use it, and an IpsetError.
 */
export function ensureSets(
  socket: NetlinkSocket,
  family: IpFamily,
  { headers }: FoundSets,
  wanted: ReadonlyMap<SetRole, ReadonlySet<string>>,
): ReadonlySet<SetRole> {
  const exchanged = new Set<SetRole>();
  for (const role of SET_ROLES) {
    const spec = setSpec(family, role);
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
