/** Snapshots of the counters. */
import type { Counters } from "./counters.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointStats, VirtualPortStats } from "./types.ts";
import type { VirtualPort } from "./virtual-port.ts";

/** A copy of what a virtual port and those of its endpoints that were ever tried have counted. */
export function portStats(port: VirtualPort): VirtualPortStats {
  return {
    id: port.id,
    protocol: port.protocol,
    draining: port.removed,
    ...copy(port.counters),
    endpoints: [...port.endpoints.values()].filter(wasTried).map(endpointStats),
  };
}

/** The others have nothing to tell, and are most of a big cluster: traffic waits while a snapshot is made. */
function wasTried({ counters, dialing }: Endpoint): boolean {
  return counters.total > 0 || dialing > 0 || Object.values(counters.failures).some((count) => count > 0);
}

function endpointStats(endpoint: Endpoint): EndpointStats {
  return {
    endpoint: endpoint.text,
    draining: endpoint.removedAt > 0,
    ...copy(endpoint.counters),
    dialTimes: [...endpoint.dialTimes.counts],
    dialTimeTotalMs: endpoint.dialTimes.totalMs,
  };
}

function copy(counters: Counters): Counters {
  return { ...counters, failures: { ...counters.failures } };
}
