/**
 * The program's HTTP servers as load balancers and operators meet them; but for nftables mode on a node whose firewall
 * lets nothing else in. No table of nftables can let in what another one drops.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { MEMBERS, type MemberName, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

const HEALTH_CHECK_PORT = 31_000;

function objects(pods: readonly PodName[]): object[] {
  return serviceObjects({
    name: "balanced",
    clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" },
    ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30_000 }],
    endpoints: pods.map((pod) => ({ pod })),
    spec: {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: HEALTH_CHECK_PORT,
    },
  });
}

describeKinds("health", ({ mode, options }) => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create();
    proxy = await bed.startProxy({ ...options, objects: objects(["p1", "p2", "r1"]) });
  });

  afterAll(() => bed?.dispose());

  it("tells the mode, and that it is healthy, on its own ports", async () => {
    const metrics = (path: string) => bed.fetch("node", `http://127.0.0.1:10249${path}`);
    expect(await metrics("/proxyMode")).toEqual({ status: 200, body: mode });
    const { body } = await metrics("/metrics");
    expect(body).toMatch(/^kubeproxy_sync_proxy_rules_last_timestamp_seconds\{ip_family="IPv6"\} 1\.?\d+/m);
    for (const path of ["/healthz", "/livez"]) {
      const answer = await bed.fetch("x", `http://${MEMBERS.node.address.IPv4}:10256${path}`);
      expect([path, answer.status]).toEqual([path, 200]);
    }
  });

  async function closeFirewall(family: IpFamily): Promise<void> {
    const program = family === "IPv4" ? `iptables-${options.variant}` : `ip6tables-${options.variant}`;
    const firewall = (...rule: string[]) => bed.at("node").exec([program, "-w", ...rule]);
    // What the kernel itself needs: neighbour discovery, and answers to the node's own connections.
    if (family === "IPv6") await firewall("-A", "INPUT", "-p", "icmpv6", "-j", "ACCEPT");
    await firewall("-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT");
    await firewall("-P", "INPUT", "DROP");
  }

  it.each(IP_FAMILIES)("counts local endpoints on the health-check node port (%s)", async (family) => {
    if (mode !== "nftables") await closeFirewall(family);
    const look = async (from: MemberName): Promise<[number, number]> => {
      const address = MEMBERS.node.address[family];
      const url = `http://${family === "IPv6" ? `[${address}]` : address}:${HEALTH_CHECK_PORT}/`;
      const { status, body } = await bed.fetch(from, url);
      return [status, JSON.parse(body).localEndpoints];
    };
    await proxy.apply(objects(["p1", "p2", "r1"]));
    await proxy.waitFor("two local endpoints", async () => (await look("x"))[1] === 2);
    expect(await look("x")).toEqual([200, 2]);
    await proxy.apply(objects(["r1"]));
    await proxy.waitFor("no local endpoint", async () => (await look("x"))[1] === 0);
    expect(await look("x")).toEqual([503, 0]);
  });
});
