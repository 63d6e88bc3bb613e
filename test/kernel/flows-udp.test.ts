/** What becomes of UDP flows in use when the endpoints behind them, or whole Services, come and go. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { MEMBERS, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const NODE_PORT = 30_053;

/** Sockets of both families cannot share a port. */
const SOURCE_PORT = { IPv4: 41_000, IPv6: 41_001 };

const PATHS = [
  { from: "p3", to: (family: IpFamily) => CLUSTER_IP[family], port: 80 },
  { from: "x", to: (family: IpFamily) => MEMBERS.node.address[family], port: NODE_PORT },
] as const;

function objects(pods: readonly PodName[]): object[] {
  return serviceObjects({
    name: "main",
    clusterIP: CLUSTER_IP,
    ports: [{ name: "udp", protocol: "UDP", port: 80, targetPort: 8080, nodePort: NODE_PORT }],
    endpoints: pods.map((pod) => ({ pod })),
    spec: { type: "NodePort" },
  });
}

describeKinds("UDP flows", ({ options }) => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
    await bed.serve("world", { hosts: Object.values(CLUSTER_IP), ports: [80] });
    const args = ["--iptables-min-sync-period=50ms"];
    proxy = await bed.startProxy({ ...options, args, objects: objects(["p1"]) });
  });

  afterAll(() => bed?.dispose());

  /** Who answers flows that keep their ports: by cluster IP in both families, then by node port. */
  async function meets(): Promise<string[]> {
    const probes = PATHS.flatMap(({ from, to, port }) =>
      IP_FAMILIES.map(async (family) => {
        const source = { sourcePort: SOURCE_PORT[family], timeoutMs: 500 };
        const [outcome] = await bed.probe({ from, protocol: "UDP", host: to(family), port, ...source });
        return typeof outcome === "object" ? outcome.answeredBy : String(outcome);
      }),
    );
    return Promise.all(probes);
  }

  it("go to the next endpoint, are refused without any, and are passed on without a Service", async () => {
    const both = (cluster: string, node = cluster): string[] => [cluster, cluster, node, node];
    const steps = [
      { objects: objects(["p1"]), expected: both("p1") },
      { objects: objects(["p2"]), expected: both("p2") },
      { objects: objects([]), expected: both("refused") },
      { objects: objects(["p1"]), expected: both("p1") },
      { objects: [], expected: both("world", "refused") },
      { objects: objects(["p2"]), expected: both("p2") },
      { objects: objects(["p1"]), expected: both("p1") },
    ];
    for (const { objects, expected } of steps) {
      await proxy.apply(objects);
      // The clean-up of tracked flows follows the rules, and looks again later where answers were under way.
      await expect.poll(meets, { timeout: 20_000, interval: 50 }).toEqual(expected);
    }
  });
});
