/** Connections per Service: counted by the kernel, told at the metrics port. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeNftables } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";
import { parseExposition } from "../unit/metrics/exposition.ts";

const CLUSTER_IP = { IPv4: "10.96.0.9", IPv6: "fd00:10:96::9" };
const PORT = 80;
/** The kernel is asked once a second at most. */
const READING_MS = 1_100;
const CONNECTIONS = 24;

function objects(pods: readonly ("p1" | "p2")[]): object[] {
  return serviceObjects({
    name: "counted",
    clusterIP: CLUSTER_IP,
    ports: [{ name: "tcp", protocol: "TCP", port: PORT, targetPort: 8080 }],
    endpoints: pods.map((pod) => ({ pod })),
  });
}

describeNftables("counters", () => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create();
    proxy = await bed.startProxy({ mode: "nftables", objects: objects(["p1", "p2"]) });
  });

  afterAll(() => bed?.dispose());

  async function counted(family: string): Promise<number> {
    await delay(READING_MS);
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
    const own = [...parseExposition(body)].filter(
      ([series]) =>
        series.startsWith("kubeproxy_service_connections_total{") &&
        series.includes(`ip_family="${family}"`) &&
        series.includes('service="counted"'),
    );
    expect(own).toHaveLength(1);
    return own[0]?.[1] ?? Number.NaN;
  }

  it.each(["IPv4", "IPv6"] as const)(
    "%s: each new connection counts once, also after endpoints changed",
    async (family) => {
      const connect = async (): Promise<void> => {
        const outcomes = await bed.probe({
          from: "p3",
          protocol: "TCP",
          host: CLUSTER_IP[family],
          port: PORT,
          count: CONNECTIONS,
        });
        expect(outcomes.every((outcome) => typeof outcome === "object")).toBe(true);
      };
      const before = await counted(family);
      await connect();
      expect(await counted(family)).toBe(before + CONNECTIONS);
      await proxy.apply(objects(["p2"]));
      await connect();
      expect(await counted(family)).toBe(before + 2 * CONNECTIONS);
      await proxy.apply(objects(["p1", "p2"]));
    },
  );
});

describeNftables("counters off", () => {
  it("with --service-metrics-limit=0 the kernel counts nothing and no series is there", async () => {
    const bed = await Testbed.create();
    try {
      const proxy = await bed.startProxy({
        mode: "nftables",
        args: ["--service-metrics-limit=0"],
        objects: objects(["p1"]),
      });
      const map = await proxy.nft("list", "map", "ip", "kube-proxy", "service-ips");
      expect(map).toContain(CLUSTER_IP.IPv4);
      expect(map).not.toContain("counter");
      const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
      expect(body).not.toContain("kubeproxy_service_");
    } finally {
      await bed.dispose();
    }
  });
});
