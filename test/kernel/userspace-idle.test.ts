/** userspace mode starts the relay of a family with the family's first Service, and is nothing before. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };

/** The slice of IPv6 stays: a Service of one family does not look at it. */
function manifest(families: readonly IpFamily[]): string {
  const objects = serviceObjects({
    name: "main",
    clusterIP: CLUSTER_IP,
    ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 }],
    endpoints: [{ pod: "p1" }],
    spec: {
      clusterIPs: families.map((family) => CLUSTER_IP[family]),
      ipFamilies: families,
      ipFamilyPolicy: families.length > 1 ? "RequireDualStack" : "SingleStack",
    },
  });
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

const missing = missingForTestbed(["/usr/sbin/iptables-nft", "/usr/sbin/ipset"]);

describe.skipIf(missing !== undefined)(`userspace mode without Services ${missing ?? ""}`, () => {
  let bed: Testbed;
  let proxy: KubeProxy;
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2"] });
    proxy = await start();
  });
  afterAll(async () => {
    await proxy?.kill();
    await bed?.dispose();
  });

  /** Without the testbed's own objects, among which is a Service of both families. */
  async function start(): Promise<KubeProxy> {
    const started = await bed.startProxy({ mode: "userspace", variant: "nft" });
    await started.waitFor("both families", async () => started.log.split("synced").length > 2);
    return started;
  }

  /** Only a relay has sockets of UDP. */
  async function socketsOf(family: IpFamily): Promise<number> {
    const type = family === "IPv4" ? "inet" : "inet6";
    const lines = await bed.at("node").exec(["ss", "-H", "-u", "-n", "-l", "-f", type]);
    return lines.split("\n").filter((line) => line.trim() !== "").length;
  }

  async function chainsOf(family: IpFamily): Promise<readonly string[]> {
    return (await proxy.iptablesSave())[family].match(/^:KUBE-\S+/gm) ?? [];
  }

  async function answers(family: IpFamily): Promise<boolean> {
    const [outcome] = await bed.probe({ from: "p2", host: CLUSTER_IP[family], port: 80, protocol: "TCP" });
    return typeof outcome === "object" && outcome.answeredBy === "p1";
  }

  it("listens nowhere and writes no rule", async () => {
    for (const family of IP_FAMILIES) {
      expect(await socketsOf(family)).toBe(0);
      expect(await chainsOf(family)).toEqual([]);
    }
    expect(await bed.at("node").exec(["ipset", "list", "-name"])).toBe("");
  });

  it("starts with the first Service of a family, and leaves the other alone", async () => {
    await proxy.write("service.yaml", manifest(["IPv4"]));
    await proxy.waitFor("an answer over IPv4", () => answers("IPv4"));
    expect(await socketsOf("IPv4")).toBe(3);
    expect(await socketsOf("IPv6")).toBe(0);
    expect(await chainsOf("IPv6")).toEqual([]);

    await proxy.write("service.yaml", manifest(IP_FAMILIES));
    await proxy.waitFor("an answer over IPv6", () => answers("IPv6"));
    expect(await answers("IPv4")).toBe(true);
    expect(await socketsOf("IPv6")).toBe(3);
  });

  it("goes on listening without Services, and starts at once where its rules are", async () => {
    await proxy.write("service.yaml", "");
    await proxy.waitFor("the Service to go", async () => !(await answers("IPv4")));
    expect(await socketsOf("IPv4")).toBe(3);
    await proxy.stop();
    expect(await socketsOf("IPv4")).toBe(0);
    proxy = await start();
    for (const family of IP_FAMILIES) expect(await socketsOf(family)).toBe(3);
  });
});
