/** What userspace mode has of a Service: how clients come to the proxy, and what it has carried. */
import { setTimeout as delay } from "node:timers/promises";
import type { KubeProxy } from "../testbed/proxy.ts";
import type { Testbed } from "../testbed/testbed.ts";

/** The proxy reads its counters at most once a second. */
const FRESH_AFTER_MS = 1100;

/** Whether a destination is in the set of those that the proxy takes. */
export async function isPortal(bed: Testbed, host: string, port: number): Promise<boolean> {
  const listed = await bed.at("node").exec(["ipset", "list", "KUBE-PORTALS"]);
  return listed.split("\n").includes(`${host},tcp:${port}`);
}

/** The rules of IPv4 that send TCP to the proxy. */
export async function portalRules(proxy: KubeProxy): Promise<readonly string[]> {
  const { IPv4 } = await proxy.iptablesSave();
  return IPv4.split("\n").filter(
    (line) => line.startsWith("-A KUBE-PORTALS-") && line.includes("-p tcp -m set"),
  );
}

/** A table of what the proxy has carried for a Service, a line for each IPv4 endpoint, after one of column heads. */
export async function carriedFor(bed: Testbed, service: string): Promise<readonly string[]> {
  await delay(FRESH_AFTER_MS);
  const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
  const carried = new Map<string, Map<string, number>>();
  for (const line of body.split("\n")) {
    const [, name = "", labels = "", value = ""] = /^kpts_relay_(\w+)\{(.*)\} (\d+)$/.exec(line) ?? [];
    const [, endpoint = ""] = /endpoint="([^"]+)"/.exec(labels) ?? [];
    if (endpoint === "" || !labels.includes("IPv4") || !labels.includes(`service="${service}"`)) continue;
    const counts = carried.get(endpoint) ?? new Map<string, number>();
    carried.set(endpoint, counts.set(name, (counts.get(name) ?? 0) + Number(value)));
  }
  const rows = [...carried].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    row("endpoint", "connections", "open", "bytes", "failures"),
    ...rows.map(([endpoint, counts]) => {
      const of = (name: string): string => String(counts.get(name) ?? 0);
      return row(
        endpoint,
        of("connections_total"),
        of("connections"),
        of("bytes_total"),
        of("failures_total"),
      );
    }),
  ];
}

function row(endpoint: string, ...numbers: readonly string[]): string {
  return `${endpoint.padEnd(18)}${numbers.map((number) => number.padStart(12)).join("")}`;
}
