/** New connections of every service port, from the statistics of its virtual servers. */
import type { IpFamily } from "../../model/types.ts";
import type { PortConnections } from "../backend.ts";
import { findServers } from "./found.ts";
import type { IpvsKernel } from "./kernel.ts";
import type { ServiceState } from "./service-state.ts";

/** Reads all of them. May be called while something is written. Throws an IpvsError. */
export async function readCounters(
  kernel: IpvsKernel,
  family: IpFamily,
  state: ServiceState,
): Promise<readonly PortConnections[]> {
  const found = await findServers(kernel, family);
  const connections = (key: string): number => Number(found.get(key)?.stats.connections ?? 0n);
  return Array.from(state.counted(), ({ port, servers }) => ({
    ...port,
    connections: servers.reduce((sum, key) => sum + connections(key), 0),
  }));
}
