/** ClientIP affinity: who stays where, for how long, and where clients go when their endpoint does. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { setupFlags } from "../support/flows/setups.ts";
import { CLIENT_ADDRESSES, clientAddress, MEMBERS, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds } from "../support/testbed/suite.ts";
import { type Probe, Testbed } from "../support/testbed/testbed.ts";

const LONG = { clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" }, nodePort: 30_001, seconds: 10_800 };
const SHORT = { clusterIP: { IPv4: "10.96.0.2", IPv6: "fd00:10:96::2" }, nodePort: 30_002, seconds: 5 };
const PORT = 80;

function objects(pods: readonly PodName[]): object[] {
  return [LONG, SHORT].flatMap(({ clusterIP, nodePort, seconds }) => {
    const port = { port: PORT, targetPort: 8080, nodePort };
    return serviceObjects({
      name: `sticky-${seconds}`,
      clusterIP,
      ports: [
        { ...port, name: "tcp", protocol: "TCP" },
        { ...port, name: "udp", protocol: "UDP" },
      ],
      endpoints: pods.map((pod) => ({ pod })),
      spec: {
        type: "NodePort",
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds } },
      },
    });
  });
}

const CLIENTS = Array.from({ length: CLIENT_ADDRESSES }, (_, index) => index);
const PATHS = (["IPv4", "IPv6"] as const).flatMap((family) =>
  (["TCP", "UDP"] as const).map((protocol) => ({ family, protocol })),
);

/** IPVS remembers a client for as long as it remembers its last connection. */
const FLAGS = { iptables: [], nftables: [], ipvs: ["--ipvs-udp-timeout=1s"], userspace: [] } as const;

/** That of a closed TCP connection is two minutes, and cannot be set. */
const BOTH = ["TCP", "UDP"] as const;
const FORGETFUL = { iptables: BOTH, nftables: BOTH, ipvs: ["UDP"], userspace: BOTH } as const;

describeKinds("affinity", ({ mode, options }) => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create();
    proxy = await bed.startProxy({
      ...options,
      args: [...setupFlags({ detection: "ClusterCIDR" }), ...FLAGS[mode]],
      objects: objects(["p1", "p2", "r1"]),
    });
  });

  afterAll(() => bed?.dispose());

  /** For each path and client, the endpoint that answered it; a client that met several, or none, shows as such. */
  async function endpoints(
    service: typeof LONG,
    by: "cluster IP" | "node port",
    count: number,
  ): Promise<string[][]> {
    return Promise.all(
      PATHS.map(({ family, protocol }) => {
        const to =
          by === "cluster IP"
            ? { host: service.clusterIP[family], port: PORT }
            : { host: MEMBERS.node.address[family], port: service.nodePort };
        return Promise.all(
          CLIENTS.map((client) =>
            met({ from: "x", protocol, ...to, source: clientAddress(family, client) }, count),
          ),
        );
      }),
    );
  }

  async function met(probe: Probe, count: number): Promise<string> {
    const names = new Set<string>();
    // One after the other: the first connection is the one that decides.
    for (let i = 0; i < count; i++) {
      const [outcome] = await bed.probe(probe);
      names.add(typeof outcome === "object" ? outcome.answeredBy : String(outcome));
    }
    return [...names].sort().join("+");
  }

  it("keeps every client at its endpoint, by cluster IP and by node port, and spreads the clients", async () => {
    const byClusterIP = await endpoints(LONG, "cluster IP", 4);
    const byNodePort = await endpoints(LONG, "node port", 4);
    const all = [...byClusterIP, ...byNodePort];
    expect(new Set(all.flat())).toEqual(new Set(["p1", "p2", "r1"]));
    // That one of three is chosen by none of a path's clients happens once in a thousand times; that two are, never.
    for (const clients of all) expect(new Set(clients).size).toBeGreaterThan(1);
    // In nftables mode a client may have another endpoint for each address of the Service.
    if (mode === "iptables") expect(byNodePort).toEqual(byClusterIP);
  });

  it("forgets a client that was silent for longer than the timeout", async () => {
    const before = await endpoints(SHORT, "cluster IP", 1);
    expect(await endpoints(SHORT, "cluster IP", 1)).toEqual(before);
    await delay(SHORT.seconds * 1000 + 500);
    const after = await endpoints(SHORT, "cluster IP", 1);
    for (const [path, { protocol }] of PATHS.entries()) {
      if (!(FORGETFUL[mode] as readonly string[]).includes(protocol)) continue;
      // That all clients of a path choose again what they had has a chance of 1 in 3^20.
      expect(after[path]).not.toEqual(before[path]);
    }
  });

  it("moves only the clients whose endpoint is gone", async () => {
    const before = (await endpoints(LONG, "cluster IP", 2)).flat();
    await proxy.apply(objects(["p2", "r1"]));
    const after = (await endpoints(LONG, "cluster IP", 2)).flat();
    const others = before.filter((endpoint) => endpoint !== "p1");
    expect(after.filter((_endpoint, index) => before[index] !== "p1")).toEqual(others);
    expect(new Set(after)).toEqual(new Set(["p2", "r1"]));
  });
});
