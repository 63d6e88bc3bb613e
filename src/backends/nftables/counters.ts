/** New connections of every service port, from the counters of the maps that packets look their Service up in. */
import { isNetlinkError } from "../../netlink/errors.ts";
import { openNftables } from "../../netlink/nftables/batch.ts";
import { dumpElements } from "../../netlink/nftables/dump-elements.ts";
import type { TableRef } from "../../netlink/nftables/objects.ts";
import type { PortConnections } from "../backend.ts";
import { servicesMap, WAYS } from "./layout.ts";
import type { ServiceState } from "./service-state.ts";

/** Reads all counters. May be called while something else is written. Throws a NetlinkError. */
export async function readCounters(
  table: TableRef,
  state: ServiceState,
): Promise<readonly PortConnections[]> {
  const packets = new Map<string, number>();
  // A socket of its own: a commit may come in between.
  using socket = openNftables();
  for (const set of WAYS.map(servicesMap)) {
    try {
      for await (const reader of dumpElements(socket, table, set)) {
        while (reader.next()) packets.set(`${set} ${reader.key()}`, reader.packets);
      }
    } catch (error) {
      // Torn by a commit, so that an element may be missing; or the table is gone for a moment.
      if (!isNetlinkError(error, "EINTR", "ENOENT")) throw error;
    }
  }
  return Array.from(state.counted(), ({ port, at }) => ({
    ...port,
    connections: at.reduce((sum, { set, key }) => sum + (packets.get(`${set} ${key}`) ?? 0), 0),
  }));
}
