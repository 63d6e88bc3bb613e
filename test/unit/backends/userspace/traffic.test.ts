import { describe, expect, test } from "vitest";
import { RelayCounters } from "../../../../src/backends/userspace/relay-counters.ts";
import { NO_STATS, portConnections, trafficReport } from "../../../../src/backends/userspace/traffic.ts";
import type {
  EndpointStats,
  FailureReason,
  RelayStats,
  TrafficStats,
  VirtualPortStats,
} from "../../../../src/relay/types.ts";

const NO_FAILURES = {
  refused: 0,
  timeout: 0,
  unreachable: 0,
  reset: 0,
  noEndpoint: 0,
  limit: 0,
  resources: 0,
};

function counted(total: number, failures: Partial<Record<FailureReason, number>> = {}): TrafficStats {
  return {
    active: total % 10,
    total,
    failures: { ...NO_FAILURES, ...failures },
    resetByClient: 2 * total,
    resetByEndpoint: 3 * total,
    bytesToEndpoint: 100 * total,
    bytesToClient: 200 * total,
  };
}

function endpoint(address: string, stats: TrafficStats, draining = false): EndpointStats {
  const { total } = stats;
  return { endpoint: address, draining, ...stats, dialTimes: [total, 1, 0], dialTimeTotalMs: 1000 * total };
}

function virtualPort(
  id: string,
  stats: TrafficStats,
  endpoints: readonly EndpointStats[] = [],
  draining = false,
): VirtualPortStats {
  return { id, protocol: id.includes("UDP") ? "UDP" : "TCP", draining, ...stats, endpoints };
}

const stats = (...ports: VirtualPortStats[]): RelayStats => ({ ...NO_STATS, ports });

test.each([
  ["shop/web/TCP internal", { namespace: "shop", name: "web", portName: "", protocol: "TCP" }],
  ["shop/web:http/TCP external", { namespace: "shop", name: "web", portName: "http", protocol: "TCP" }],
  ["shop/dns:dns/UDP internal", { namespace: "shop", name: "dns", portName: "dns", protocol: "UDP" }],
] as const)("the virtual port %s belongs to its service port", (id, identity) => {
  const only = stats(virtualPort(id, counted(3)));
  expect(portConnections(only)).toEqual([{ ...identity, connections: 3 }]);
  expect(trafficReport(only, 1).ports).toMatchObject([identity]);
});

describe("both ways to a service port", () => {
  const both = stats(
    virtualPort("ns/web:http/TCP internal", counted(11, { timeout: 1 }), [
      endpoint("10.0.0.1:80", counted(6, { refused: 1 })),
      endpoint("10.0.0.2:80", counted(5)),
    ]),
    virtualPort("ns/web:https/TCP internal", counted(50)),
    virtualPort("ns/web:http/TCP external", counted(7, { timeout: 2, noEndpoint: 4 }), [
      endpoint("10.0.0.2:80", counted(4, { refused: 2, reset: 1 })),
      endpoint("10.0.0.3:80", counted(3), true),
    ]),
  );

  test("are one, with the clients that were not served", () => {
    const { ports } = trafficReport(both, 1);
    expect(ports.map(({ portName, unserved }) => [portName, unserved])).toEqual([
      ["http", { ...NO_FAILURES, timeout: 3, noEndpoint: 4 }],
      ["https", NO_FAILURES],
    ]);
    expect(portConnections(both).map(({ portName, connections }) => [portName, connections])).toEqual([
      ["http", 18],
      ["https", 50],
    ]);
  });

  test("share their endpoints", () => {
    const [http] = trafficReport(both, 1).ports;
    expect(http?.endpoints.map(({ endpoint, connections }) => [endpoint, connections])).toEqual([
      ["10.0.0.1:80", 6],
      ["10.0.0.2:80", 9],
      ["10.0.0.3:80", 3],
    ]);
    expect(http?.endpoints[1]).toEqual({
      endpoint: "10.0.0.2:80",
      active: 9,
      connections: 9,
      failures: { ...NO_FAILURES, refused: 2, reset: 1 },
      resetByClient: 18,
      resetByEndpoint: 27,
      bytesToEndpoint: 900,
      bytesToClient: 1800,
      dialTimes: [9, 2, 0],
      dialSeconds: 9,
    });
  });
});

test("a port that drains still has traffic, but no share in new connections", () => {
  const recreated = stats(
    virtualPort("ns/web/TCP internal", counted(2)),
    virtualPort("ns/web/TCP internal", counted(40), [endpoint("10.0.0.1:80", counted(40), true)], true),
    virtualPort("ns/gone/TCP internal", counted(9), [], true),
  );
  expect(portConnections(recreated).map(({ name, connections }) => [name, connections])).toEqual([
    ["web", 2],
  ]);
  const { ports } = trafficReport(recreated, 1);
  expect(ports.map(({ name }) => name)).toEqual(["web", "gone"]);
  expect(ports[0]?.endpoints[0]?.connections).toBe(40);
});

test("what belongs to no Service", () => {
  const relay = {
    refusedByLimit: 3,
    outOfDescriptors: 4,
    unknownDestination: 5,
    evicted: 6,
    internalErrors: 7,
  };
  expect(trafficReport({ ports: [], connections: 1, associations: 2, ...relay }, 8)).toEqual({
    starts: 8,
    ports: [],
    relay: { clients: { TCP: 1, UDP: 2 }, ...relay },
  });
});

describe("reading the relay", () => {
  test("that was never started gives nothing", async () => {
    const counters = new RelayCounters();
    expect(await counters.connections()).toEqual([]);
    expect(await counters.traffic()).toMatchObject({ starts: 0, ports: [], relay: { evicted: 0 } });
  });

  test("both questions at one time are one to the relay, later ones are asked anew", async () => {
    const counters = new RelayCounters();
    let asked = 0;
    const read = async () => stats(virtualPort("ns/web/TCP internal", counted(++asked)));
    counters.started({ relay: { stats: read }, ids: [] });
    const [connections, { starts }] = await Promise.all([counters.connections(), counters.traffic()]);
    expect([connections[0]?.connections, starts, asked]).toEqual([1, 1, 1]);
    expect((await counters.connections())[0]?.connections).toBe(2);
  });

  test("gives ports that nobody came to as well, also beside a former one that drains", async () => {
    const counters = new RelayCounters();
    const told = stats(
      virtualPort("ns/web/TCP internal", counted(3)),
      virtualPort("ns/dns/UDP internal", counted(9), [], true),
    );
    const ids = [
      "ns/web/TCP internal",
      "ns/web/TCP external",
      "ns/dns/UDP internal",
      "ns/idle:a/TCP internal",
    ];
    counters.started({ relay: { stats: async () => told }, ids });
    const idle = { namespace: "ns", name: "idle", portName: "a", protocol: "TCP", connections: 0 };
    const dns = { namespace: "ns", name: "dns", portName: "", protocol: "UDP", connections: 0 };
    expect(await counters.connections()).toEqual([
      { namespace: "ns", name: "web", portName: "", protocol: "TCP", connections: 3 },
      dns,
      idle,
    ]);
    const { ports } = await counters.traffic();
    expect(ports.map(({ name, endpoints }) => [name, endpoints.length])).toEqual([
      ["web", 0],
      ["dns", 0],
      ["idle", 0],
    ]);
  });

  test("that died is a failure until there is another", async () => {
    const counters = new RelayCounters();
    counters.started({
      relay: { stats: () => Promise.reject(new Error("relay: it has stopped")) },
      ids: ["ns/web/TCP internal"],
    });
    await expect(counters.traffic()).rejects.toThrow("stopped");
    await expect(counters.connections()).rejects.toThrow("stopped");
    counters.started({ relay: { stats: async () => NO_STATS }, ids: [] });
    expect((await counters.traffic()).starts).toBe(2);
  });
});
