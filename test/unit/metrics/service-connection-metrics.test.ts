import pino from "pino";
import { Registry } from "prom-client";
import { beforeEach, describe, expect, test } from "vitest";
import type { PortConnections } from "../../../src/backends/backend.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";
import {
  type ConnectionSource,
  registerServiceConnections,
  type ServiceConnectionOptions,
} from "../../../src/metrics/service-connection-metrics.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { parseExposition } from "./exposition.ts";

const OWN = "kubeproxy_service_connections_total";
const REST = "kubeproxy_service_other_connections_total";
const SERIES = "kubeproxy_service_connection_series";

let nowMs: number;
let registry: Registry;
let log: string[];

beforeEach(() => {
  nowMs = 1_000_000;
  registry = new Registry();
  log = [];
});

const port = (name: string, connections: number): PortConnections => ({
  namespace: "ns",
  name,
  portName: "http",
  protocol: "TCP",
  connections,
});
const series = (family: IpFamily, name: string): string =>
  `${OWN}{ip_family="${family}",namespace="ns",service="${name}",port="http",protocol="TCP"}`;
const rest = (family: IpFamily): string => `${REST}{ip_family="${family}"}`;
const count = (family: IpFamily): string => `${SERIES}{ip_family="${family}"}`;

function options(
  backends: readonly ConnectionSource[],
  changes: Partial<ServiceConnectionOptions> = {},
): ServiceConnectionOptions {
  const logger = pino({ base: null }, { write: (line: string) => void log.push(line) });
  return { limit: 2, backends, logger, now: () => nowMs, ...changes };
}

/** Registers the metrics; the returned function scrapes, by default long after the last time. */
function scraper(backends: readonly ConnectionSource[], changes: Partial<ServiceConnectionOptions> = {}) {
  const metrics = registerServiceConnections(registry, options(backends, changes));
  return async (laterMs = 15_000): Promise<Map<string, number>> => {
    nowMs += laterMs;
    await metrics?.refresh();
    return parseExposition(await registry.metrics());
  };
}

/** A backend whose readings are answered by hand, in the order they were asked for. */
class Answering {
  readonly family = "IPv4";
  readonly asked: PromiseWithResolvers<readonly PortConnections[]>[] = [];

  readConnections(): Promise<readonly PortConnections[]> {
    const question = Promise.withResolvers<readonly PortConnections[]>();
    this.asked.push(question);
    return question.promise;
  }
}

test("each family has its totals, and its rest from the start", async () => {
  const readings = { IPv4: [port("a", 7), port("b", 5)], IPv6: [port("a", 1)] };
  const scrape = scraper(
    IP_FAMILIES.map((family) => ({ family, readConnections: async () => readings[family] })),
    { limit: 1 },
  );
  expect(parseExposition(await registry.metrics())).toEqual(
    new Map(IP_FAMILIES.flatMap((family) => [[rest(family), 0] as const, [count(family), 0] as const])),
  );
  await scrape();
  readings.IPv4 = [port("a", 10), port("b", 6)];
  readings.IPv6 = [port("a", 1), port("b", 9)];
  expect(await scrape()).toEqual(
    new Map([
      [series("IPv4", "a"), 3],
      [series("IPv6", "a"), 0],
      [rest("IPv4"), 1],
      [rest("IPv6"), 9],
      [count("IPv4"), 1],
      [count("IPv6"), 1],
    ]),
  );
  readings.IPv4 = [];
  const last = await scrape();
  expect(last.has(series("IPv4", "a"))).toBe(false);
  expect(last.get(count("IPv4"))).toBe(0);
});

test.each<[title: string, backends: ConnectionSource[], limit: number, names: string[]]>([
  ["a mode that does not count", [{ family: "IPv4" }], 2, []],
  ["limit 0", [{ family: "IPv4", readConnections: async () => [] }], 0, []],
  [
    "one family that counts",
    [{ family: "IPv4" }, { family: "IPv6", readConnections: async () => [] }],
    2,
    [OWN, REST, SERIES],
  ],
])("registered with %s", async (_title, backends, limit, names) => {
  const samples = await scraper(backends, { limit })();
  expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(names);
  expect([...samples.keys()].filter((name) => name.includes("IPv4"))).toEqual([]);
});

describe("reading", () => {
  test("scrapes within a second share one", async () => {
    let reads = 0;
    const scrape = scraper([{ family: "IPv4", readConnections: async () => [port("a", reads++)] }]);
    await scrape();
    expect((await scrape(999)).get(series("IPv4", "a"))).toBe(0);
    expect((await scrape(1)).get(series("IPv4", "a"))).toBe(1);
    expect(reads).toBe(2);
  });

  test("scrapes at the same time share one, however long it takes", async () => {
    const backend = new Answering();
    const scrape = scraper([backend]);
    const both = [scrape(), scrape()];
    expect(backend.asked).toHaveLength(1);
    backend.asked[0]?.resolve([port("a", 3)]);
    for (const samples of await Promise.all(both)) expect(samples.get(series("IPv4", "a"))).toBe(0);
  });

  test("a kernel that does not answer is not waited for, and asked again when it did", async () => {
    const backend = new Answering();
    const scrape = scraper([backend], { timeoutMs: 1 });
    expect((await scrape()).get(rest("IPv4"))).toBe(0);
    await scrape();
    expect(backend.asked).toHaveLength(1);
    expect(log).toHaveLength(1);
    expect(log[0]).toContain("no answer within 1 ms");
    backend.asked[0]?.resolve([port("a", 3)]);
    expect((await scrape()).get(series("IPv4", "a"))).toBe(0);
    await scrape();
    expect(backend.asked).toHaveLength(2);
  });

  test("a failure is logged once until it works again; totals stay, and nothing is lost", async () => {
    let answer: PortConnections[] | Error = [port("a", 1)];
    const scrape = scraper([
      {
        family: "IPv4",
        readConnections: () => {
          if (answer instanceof Error) throw answer;
          return Promise.resolve(answer);
        },
      },
      { family: "IPv6", readConnections: async () => [port("b", 1)] },
    ]);
    await scrape();
    answer = [port("a", 4)];
    await scrape();
    answer = new Error("no buffer space");
    expect((await scrape()).get(series("IPv4", "a"))).toBe(3);
    await scrape(1);
    expect((await scrape()).has(series("IPv6", "b"))).toBe(true);
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/IPv4.*no buffer space/);
    answer = [port("a", 9)];
    expect((await scrape()).get(series("IPv4", "a"))).toBe(8);
    answer = new Error("no buffer space");
    await scrape();
    expect(log).toHaveLength(2);
  });
});

test("label values are escaped", async () => {
  const scrape = scraper([{ family: "IPv4", readConnections: async () => [port('a"\n\\', 1)] }]);
  await scrape();
  expect(await registry.metrics()).toContain(String.raw`service="a\"\n\\",`);
});

test("every scrape of the proxy's metrics reads them", async () => {
  let connections = 1;
  const backend: ConnectionSource = { family: "IPv4", readConnections: async () => [port("a", connections)] };
  const metrics = new ProxyMetrics({
    mode: "nftables",
    families: ["IPv4"],
    serviceConnections: options([backend]),
  });
  await metrics.render();
  nowMs += 15_000;
  connections = 5;
  expect(parseExposition(await metrics.render()).get(series("IPv4", "a"))).toBe(4);
  metrics.registry.clear();
});
