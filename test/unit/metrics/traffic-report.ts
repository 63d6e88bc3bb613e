/** Reports of a relay, built from the few counts that matter to a case. */
import type {
  EndpointTraffic,
  PortTraffic,
  RelayTotals,
  TrafficReport,
} from "../../../src/backends/backend.ts";
import { DIAL_BOUNDS_MS } from "../../../src/relay/dial-times.ts";

export const NO_FAILURES = {
  refused: 0,
  timeout: 0,
  unreachable: 0,
  reset: 0,
  noEndpoint: 0,
  limit: 0,
  resources: 0,
};

export function endpointTraffic(
  endpoint: string,
  connections: number,
  changes: Partial<EndpointTraffic> = {},
): EndpointTraffic {
  return {
    endpoint,
    active: 0,
    connections,
    failures: NO_FAILURES,
    resetByClient: 0,
    resetByEndpoint: 0,
    bytesToEndpoint: 0,
    bytesToClient: 0,
    dialTimes: DIAL_BOUNDS_MS.map(() => 0).concat(0),
    dialSeconds: 0,
    ...changes,
  };
}

/** The port `http` of a Service in `ns`. */
export function portTraffic(
  name: string,
  endpoints: readonly EndpointTraffic[],
  changes: Partial<PortTraffic> = {},
): PortTraffic {
  return {
    namespace: "ns",
    name,
    portName: "http",
    protocol: "TCP",
    unserved: NO_FAILURES,
    endpoints,
    ...changes,
  };
}

export function trafficReport(
  ports: readonly PortTraffic[],
  relay: Partial<RelayTotals> = {},
  starts = 1,
): TrafficReport {
  return {
    starts,
    ports,
    relay: {
      clients: { TCP: 0, UDP: 0 },
      refusedByLimit: 0,
      outOfDescriptors: 0,
      unknownDestination: 0,
      evicted: 0,
      internalErrors: 0,
      ...relay,
    },
  };
}
