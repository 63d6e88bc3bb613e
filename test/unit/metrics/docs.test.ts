/** docs/metrics.md and the registry name the same metrics. */
import { readFileSync } from "node:fs";
import pino from "pino";
import { expect, test } from "vitest";
import type { TrafficReport } from "../../../src/backends/backend.ts";
import type { ProxyMode } from "../../../src/config/proxy-config.ts";
import { HealthSlis } from "../../../src/metrics/health-slis.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";
import type { ConnectionSource } from "../../../src/metrics/service-connection-metrics.ts";
import { endpointTraffic, NO_FAILURES, portTraffic, trafficReport } from "./traffic-report.ts";

const MODES = {
  iptables: "ipt",
  nftables: "nft",
  ipvs: "ipvs",
  userspace: "userspace",
} as const satisfies Record<ProxyMode, string>;

interface Row {
  readonly name: string;
  readonly type: string;
  /** Undefined in the table of process metrics. */
  readonly labels: string | undefined;
  readonly modes: string;
}

const [metricTables = ""] = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8").split(
  "\n## Monitoring\n",
);
const rows = [...metricTables.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name = "", rest = ""]): Row => {
  const [type = "", ...cells] = rest.split("|").map((cell) => cell.trim());
  return cells.length === 1
    ? { name, type, labels: undefined, modes: "all" }
    : { name, type, labels: cells[0] ?? "", modes: cells[1] ?? "" };
});

/** The modes that count connections. */
const COUNTING: readonly ProxyMode[] = ["nftables", "ipvs", "userspace"];

/** A report in which everything has happened, so that there is a series of everything. */
function report(count: number): TrafficReport {
  const failures = mapValues(NO_FAILURES, count);
  const endpoint = endpointTraffic("10.0.0.1:80", count, {
    failures,
    resetByClient: count,
    resetByEndpoint: count,
  });
  return trafficReport([portTraffic("web", [endpoint], { unserved: failures })]);
}

function mapValues<Key extends string>(record: Record<Key, number>, value: number): Record<Key, number> {
  return Object.fromEntries(Object.keys(record).map((key) => [key, value])) as Record<Key, number>;
}

async function metricsOf(mode: ProxyMode) {
  const port = { namespace: "ns", name: "web", portName: "", protocol: "TCP", connections: 1 } as const;
  let [nowMs, count] = [0, 0];
  const backend: ConnectionSource = {
    family: "IPv4",
    readConnections: async () => [port],
    ...(mode === "userspace" && { readTraffic: async () => report(count++) }),
  };
  const logger = pino({ enabled: false });
  const serviceConnections = { limit: 1, backends: [backend], logger, now: () => nowMs };
  const metrics = new ProxyMetrics({
    mode,
    families: ["IPv4"],
    readKernelCounters: async () => new Map(),
    ...(COUNTING.includes(mode) && { serviceConnections }),
  });
  await metrics.render();
  nowMs += 10_000;
  await metrics.render();
  return metrics.registry.getMetricsAsJSON();
}

test.each(Object.keys(MODES) as ProxyMode[])("mode %s", async (mode) => {
  const documented = rows.filter(({ modes }) => modes === "all" || modes.split(", ").includes(MODES[mode]));
  const registered = await metricsOf(mode);
  const describe = (all: { name: string; type: unknown }[]) =>
    all.map(({ name, type }) => `${name} ${type}`).sort();
  expect(describe(registered)).toEqual(describe(documented));
});

test.each(Object.keys(MODES) as ProxyMode[])("labels in mode %s", async (mode) => {
  for (const metric of await metricsOf(mode)) {
    const labels = rows.find(({ name }) => name === metric.name)?.labels;
    if (labels === undefined || labels.endsWith("…")) continue;
    for (const sample of metric.values) {
      const names = Object.keys(sample.labels).filter((label) => label !== "le");
      expect([metric.name, names.sort().join(", ")]).toEqual([
        metric.name,
        labels.split(", ").sort().join(", "),
      ]);
    }
  }
});

test("health checks", async () => {
  const slis = new HealthSlis();
  slis.observe("ping", "healthz", true);
  const samples = await slis.render();
  const described = rows.filter(({ name }) => name.startsWith("kubernetes_healthcheck"));
  const types = [...samples.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]);
  expect(described.map(({ name, type }) => [name, type])).toEqual(types);
  for (const { name, labels } of described) {
    const [, found = ""] = new RegExp(`^${name}{(.*)}`, "m").exec(samples) ?? [];
    expect(found.replaceAll(/="\w+"/g, "").split(",")).toEqual(labels?.split(", "));
  }
});
