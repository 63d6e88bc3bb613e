import pino from "pino";
import { Registry } from "prom-client";
import { beforeEach, expect, test } from "vitest";
import type { TrafficReport } from "../../../src/backends/backend.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";
import { registerRelayMetrics } from "../../../src/metrics/relay-metrics.ts";
import type {
  ConnectionSource,
  ServiceConnectionOptions,
} from "../../../src/metrics/service-connection-metrics.ts";
import { parseExposition } from "./exposition.ts";
import { endpointTraffic, NO_FAILURES, portTraffic, trafficReport } from "./traffic-report.ts";

const WEB = 'ip_family="IPv4",namespace="ns",service="web",port="http",protocol="TCP"';
const REST = 'ip_family="IPv4",namespace="",service="",port="",protocol=""';
const ENDPOINT = "10.0.0.1:80";

let registry: Registry;
let nowMs: number;
let log: string[];
let report: TrafficReport | Error;

beforeEach(() => {
  registry = new Registry();
  nowMs = 0;
  log = [];
  report = trafficReport([]);
});

const relayed: ConnectionSource = {
  family: "IPv4",
  readTraffic: async () => {
    if (report instanceof Error) throw report;
    return report;
  },
};

function options(backends: readonly ConnectionSource[], limit = 2): ServiceConnectionOptions {
  const logger = pino({ base: null }, { write: (line: string) => void log.push(line) });
  return { limit, backends, logger, now: () => nowMs };
}

/** Registers the metrics; the returned function scrapes what a report makes of them, long after the last time. */
function scraper(limit?: number) {
  const metrics = registerRelayMetrics(registry, options([relayed], limit));
  return async (next: TrafficReport | Error): Promise<Map<string, number>> => {
    report = next;
    nowMs += 15_000;
    await metrics?.refresh();
    return parseExposition(await registry.metrics());
  };
}

/** The series whose names begin so, without that beginning. */
function part(samples: ReadonlyMap<string, number>, beginning: string): Record<string, number> {
  return Object.fromEntries(
    [...samples]
      .filter(([series]) => series.startsWith(beginning))
      .map(([series, value]) => [series.slice(beginning.length), value]),
  );
}

test("modes that do not carry traffic have none of them", () => {
  expect(
    registerRelayMetrics(registry, options([{ family: "IPv4", readConnections: async () => [] }])),
  ).toBeUndefined();
  expect(registry.getMetricsAsArray()).toEqual([]);
});

test("the whole relay, and all Services together, are there from the start", async () => {
  registerRelayMetrics(registry, options([relayed]));
  const samples = parseExposition(await registry.metrics());
  expect([...samples.values()].every((value) => value === 0)).toBe(true);
  expect(part(samples, "kpts_relay_clients")).toEqual({
    '{ip_family="IPv4",protocol="TCP"}': 0,
    '{ip_family="IPv4",protocol="UDP"}': 0,
  });
  expect(samples.get(`kpts_relay_connections{${REST},endpoint=""}`)).toBe(0);
  expect(samples.get(`kpts_relay_bytes_total{${REST},endpoint="",direction="to_client"}`)).toBe(0);
  expect(samples.get(`kpts_relay_failures_total{${REST},endpoint="",reason="refused"}`)).toBe(0);
  expect(samples.get(`kpts_relay_unserved_total{${REST},reason="no_endpoint"}`)).toBe(0);
  expect(samples.get(`kpts_relay_dial_seconds_count{${REST}}`)).toBe(0);
  expect(samples.has('kpts_relay_evicted_total{ip_family="IPv4"}')).toBe(true);
});

test("a service port and its endpoint", async () => {
  const scrape = scraper();
  await scrape(trafficReport([portTraffic("web", [endpointTraffic(ENDPOINT, 0)])]));
  const samples = await scrape(
    trafficReport([
      portTraffic(
        "web",
        [
          endpointTraffic(ENDPOINT, 5, {
            active: 2,
            bytesToEndpoint: 300,
            bytesToClient: 4000,
            failures: { ...NO_FAILURES, refused: 1 },
            resetByEndpoint: 3,
          }),
        ],
        { unserved: { ...NO_FAILURES, noEndpoint: 6 } },
      ),
    ]),
  );
  const ofEndpoint = `{${WEB},endpoint="${ENDPOINT}"`;
  expect(part(samples, `kpts_relay_connections${ofEndpoint}`)).toEqual({ "}": 2 });
  expect(part(samples, `kpts_relay_connections_total${ofEndpoint}`)).toEqual({ "}": 5 });
  expect(part(samples, `kpts_relay_bytes_total${ofEndpoint}`)).toEqual({
    ',direction="to_endpoint"}': 300,
    ',direction="to_client"}': 4000,
  });
  expect(part(samples, `kpts_relay_failures_total${ofEndpoint}`)).toEqual({ ',reason="refused"}': 1 });
  expect(part(samples, `kpts_relay_resets_total${ofEndpoint}`)).toEqual({ ',by="endpoint"}': 3 });
  expect(part(samples, `kpts_relay_unserved_total{${WEB}`)).toEqual({ ',reason="no_endpoint"}': 6 });
  expect(part(samples, `kpts_relay_connections{${WEB},endpoint=""`)).toEqual({});
});

test("the time of connects is a histogram whose buckets hold all that was faster", async () => {
  const scrape = scraper();
  const dialed = (...counts: number[]) => {
    const { dialTimes } = endpointTraffic(ENDPOINT, 0);
    const times = dialTimes.map((_, index) => counts[index] ?? 0);
    return trafficReport([
      portTraffic("web", [endpointTraffic(ENDPOINT, 0, { dialTimes: times, dialSeconds: 0.5 })]),
      portTraffic("dns", [], { protocol: "UDP" }),
    ]);
  };
  await scrape(trafficReport([portTraffic("web", [endpointTraffic(ENDPOINT, 0)])]));
  const samples = await scrape(dialed(3, 0, 2, ...new Array<number>(11).fill(0), 1));
  const bucket = (le: string) => samples.get(`kpts_relay_dial_seconds_bucket{le="${le}",${WEB}}`);
  expect(["0.0001", "0.00025", "0.0005", "2.5", "+Inf"].map(bucket)).toEqual([3, 3, 5, 5, 6]);
  expect(samples.get(`kpts_relay_dial_seconds_count{${WEB}}`)).toBe(6);
  expect(samples.get(`kpts_relay_dial_seconds_sum{${WEB}}`)).toBe(0.5);
  expect([...samples.keys()].filter((name) => /dial.*service="dns"/.test(name))).toEqual([]);
});

test("without places everything is in one series", async () => {
  const scrape = scraper(0);
  const samples = await scrape(
    trafficReport([
      portTraffic("web", [endpointTraffic(ENDPOINT, 5, { active: 1 })]),
      portTraffic("db", [endpointTraffic(ENDPOINT, 6, { active: 2 })]),
    ]),
  );
  expect(part(samples, "kpts_relay_connections")).toEqual({
    [`{${REST},endpoint=""}`]: 3,
    [`_total{${REST},endpoint=""}`]: 11,
  });
});

test("the relay as a whole, through a new start", async () => {
  const scrape = scraper();
  const family = '{ip_family="IPv4"}';
  const before = { clients: { TCP: 3, UDP: 4 }, refusedByLimit: 5, evicted: 6, internalErrors: 1 };
  await scrape(trafficReport([], before));
  const samples = await scrape(
    trafficReport([], { clients: { TCP: 1, UDP: 0 }, refusedByLimit: 7, outOfDescriptors: 2 }, 2),
  );
  expect(part(samples, "kpts_relay_clients")).toEqual({
    '{ip_family="IPv4",protocol="TCP"}': 1,
    '{ip_family="IPv4",protocol="UDP"}': 0,
  });
  const names = [
    "starts",
    "refused_by_limit",
    "out_of_descriptors",
    "unknown_destination",
    "evicted",
    "internal_errors",
  ];
  expect(names.map((name) => samples.get(`kpts_relay_${name}_total${family}`))).toEqual([2, 12, 2, 0, 6, 1]);
});

test("a relay that does not answer is told of once, and the series stay", async () => {
  const scrape = scraper();
  await scrape(trafficReport([], { evicted: 3 }));
  await scrape(new Error("the relay has ended"));
  const samples = await scrape(new Error("the relay has ended"));
  expect(samples.get('kpts_relay_evicted_total{ip_family="IPv4"}')).toBe(3);
  expect(log).toHaveLength(1);
  expect(log[0]).toMatch(/IPv4.*the relay has ended/);
});

test("every scrape of the proxy's metrics reads them", async () => {
  const metrics = new ProxyMetrics({
    mode: "userspace",
    families: ["IPv4"],
    serviceConnections: options([relayed]),
  });
  report = trafficReport([], { evicted: 3 });
  expect(parseExposition(await metrics.render()).get('kpts_relay_evicted_total{ip_family="IPv4"}')).toBe(3);
  metrics.registry.clear();
});
