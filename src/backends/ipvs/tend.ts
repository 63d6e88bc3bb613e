/** Takes away real servers whose last connection has ended. */
import { type Change, type Ipvs, isNotFound, type ListedRealServer } from "#ipvs-netlink";
import type { Draining } from "./draining.ts";
import { endpointOf, realServer, serverId } from "./plan-servers.ts";

/** Between looks at real servers that drain: a closed TCP connection counts for two minutes, so more would be wasted. */
export const DRAIN_CHECK_MS = 10_000;

/** Looks at the virtual servers that have any, and at no others. Returns how many are left. Throws an IpvsError. */
export async function removeDrained(ipvs: Ipvs, draining: Draining): Promise<number> {
  let left = 0;
  for (const [server, endpoints] of draining.entries()) {
    const found = new Map((await destinationsOf(ipvs, server)).map((each) => [endpointOf(each), each]));
    const idle = endpoints.filter((endpoint) => isIdle(found.get(endpoint)));
    const service = serverId(server);
    const changes = idle
      .filter((endpoint) => found.has(endpoint))
      .map(
        (endpoint): Change => ({
          change: "deleteDestination",
          service,
          destination: realServer(endpoint, 0),
        }),
      );
    const failure = ipvs.apply(changes).find((error) => error !== undefined && !isNotFound(error));
    if (failure !== undefined) throw failure;
    for (const endpoint of idle) draining.delete(server, endpoint);
    left += endpoints.length - idle.length;
  }
  return left;
}

/** One that is not there any more has no connections either. */
function isIdle(server: ListedRealServer | undefined): boolean {
  return server === undefined || server.activeConnections + server.inactiveConnections === 0;
}

async function destinationsOf(ipvs: Ipvs, server: string): Promise<readonly ListedRealServer[]> {
  try {
    return await ipvs.destinations(serverId(server));
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
