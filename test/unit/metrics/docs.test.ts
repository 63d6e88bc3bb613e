/** docs/metrics.md and the registry name the same metrics. */
import { readFileSync } from "node:fs";
import pino from "pino";
import { expect, test } from "vitest";
import type { ProxyMode } from "../../../src/config/proxy-config.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";

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

const rows = [
  ...readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8").matchAll(
    /^\| `(\w+)` \|(.*)\|$/gm,
  ),
].map(([, name = "", rest = ""]): Row => {
  const [type = "", ...cells] = rest.split("|").map((cell) => cell.trim());
  return cells.length === 1
    ? { name, type, labels: undefined, modes: "all" }
    : { name, type, labels: cells[0] ?? "", modes: cells[1] ?? "" };
});

/** The modes that count connections. */
const COUNTING: readonly ProxyMode[] = ["nftables", "ipvs"];

async function metricsOf(mode: ProxyMode) {
  const port = { namespace: "ns", name: "web", portName: "", protocol: "TCP", connections: 1 } as const;
  const backend = { family: "IPv4", readConnections: async () => [port] } as const;
  const serviceConnections = { limit: 1, backends: [backend], logger: pino({ enabled: false }) };
  const metrics = new ProxyMetrics({
    mode,
    families: ["IPv4"],
    readKernelCounters: async () => new Map(),
    ...(COUNTING.includes(mode) && { serviceConnections }),
  });
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

test.each<ProxyMode>(["iptables", "nftables", "ipvs"])("labels in mode %s", async (mode) => {
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
