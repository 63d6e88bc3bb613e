/** userspace mode gives way to other modes, and they to it: rules, sets and routes go with it, and clients are served. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy, ProxyOptions } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const OBJECTS = serviceObjects({
  name: "main",
  clusterIP: CLUSTER_IP,
  ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 }],
  endpoints: [{ pod: "p1" }],
});

const missing = missingForTestbed(["/usr/sbin/iptables-nft", "/usr/sbin/nft", "/usr/sbin/ipset"]);

describe.skipIf(missing !== undefined)(`userspace mode and others ${missing ?? ""}`, () => {
  let bed: Testbed;
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2"] });
  });
  afterEach(() => last?.kill());
  afterAll(() => bed?.dispose());

  let last: KubeProxy | undefined;
  async function start(mode: ProxyOptions["mode"]): Promise<KubeProxy> {
    last = await bed.startProxy({ mode, variant: "nft", objects: OBJECTS });
    return last;
  }

  /** What only userspace mode has: names of sets, chains and jumps, and rules that lead to a routing table. */
  async function traces(proxy: KubeProxy): Promise<string[]> {
    const node = bed.at("node");
    const { IPv4, IPv6 } = await proxy.iptablesSave();
    const sets = await node.exec(["ipset", "list", "-name"]);
    const rules = await Promise.all(["-4", "-6"].map((family) => node.exec(["ip", family, "rule"])));
    return [
      ...(sets.match(/^KUBE-(6-)?PORTALS.*$/gm) ?? []),
      ...(`${IPv4}\n${IPv6}`.match(
        /KUBE-(?:6-)?(?:PORTALS|NODEPORT-)\S*|KUBE-PROXY-FIREWALL.*match-set.*/g,
      ) ?? []),
      ...(rules.join("\n").match(/^.*fwmark.*$/gm) ?? []),
    ];
  }

  async function expectService(): Promise<void> {
    for (const family of IP_FAMILIES) {
      const [outcome] = await bed.probe({ from: "p2", host: CLUSTER_IP[family], port: 80, protocol: "TCP" });
      expect(outcome).toMatchObject({ answeredBy: "p1" });
    }
  }

  test.each(["iptables", "nftables"] as const)("%s mode comes after it, and it comes back", async (other) => {
    let proxy = await start("userspace");
    expect((await traces(proxy)).length).toBeGreaterThan(16);
    await proxy.stop();

    proxy = await start(other);
    await proxy.waitFor("traces to go", async () => (await traces(proxy)).length === 0);
    await expectService();
    expect(proxy.log).not.toContain("could not remove");
    await proxy.stop();

    proxy = await start("userspace");
    await expectService();
    expect(proxy.log).not.toContain("could not remove");
    await proxy.stop();
  });

  test("--cleanup leaves nothing", async () => {
    const proxy = await start("userspace");
    await proxy.stop();
    await proxy.cleanUp();
    expect(await traces(proxy)).toEqual([]);
  });
});
