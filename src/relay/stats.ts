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
    endpoints: [...port.endpoints.values()].filter(({ wasTried }) => wasTried).map(endpointStats),
  };
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
