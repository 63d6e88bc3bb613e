/** What clients meet while Services and endpoints change, and while the program restarts. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { IpFamily } from "../../src/model/types.ts";
import type { PodName } from "../support/testbed/addresses.ts";
import type { ProbeOutcome } from "../support/testbed/agent-protocol.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const PORT = 80;
const PATHS = (["IPv4", "IPv6"] as const).flatMap((family) =>
  (["TCP", "UDP"] as const).map((protocol) => ({ family, protocol })),
);

function objects(pods: readonly PodName[]): object[] {
  return serviceObjects({
    name: "changing",
    clusterIP: CLUSTER_IP,
    ports: [
      { name: "tcp", protocol: "TCP", port: PORT, targetPort: 8080 },
      { name: "udp", protocol: "UDP", port: PORT, targetPort: 8080 },
    ],
    endpoints: pods.map((pod) => ({ pod })),
  });
}

function answeredBy(outcome: ProbeOutcome | undefined): string {
  return typeof outcome === "object" ? outcome.answeredBy : String(outcome);
}

describeKinds("changes", ({ mode, options }) => {
  let bed: Testbed;
  let proxy: KubeProxy;
  const start = (pods: readonly PodName[]): Promise<KubeProxy> =>
    bed.startProxy({ ...options, objects: objects(pods) });

  beforeAll(async () => {
    bed = await Testbed.create();
    await bed.serve("world", { hosts: Object.values(CLUSTER_IP), ports: [PORT] });
    proxy = await start(["p1", "p2"]);
  });

  afterAll(() => bed?.dispose());

  /** Names of the mode's objects that are on the node. */
  async function left(): Promise<string[]> {
    if (mode === "nftables") return (await proxy.nft("list", "tables")).match(/table \w+ kube-proxy/g) ?? [];
    const { IPv4, IPv6 } = await proxy.iptablesSave();
    // KUBE-FIREWALL belongs to kubelet as well and stays.
    return `${IPv4}\n${IPv6}`.match(/KUBE-(?!FIREWALL)[A-Z-]+/g) ?? [];
  }

  /** Everybody that answers a pod on one path. */
  async function answers(family: IpFamily, protocol: "TCP" | "UDP"): Promise<string[]> {
    const outcomes = await bed.probe({
      from: "p3",
      protocol,
      host: CLUSTER_IP[family],
      port: PORT,
      count: 40,
    });
    return [...new Set(outcomes.map(answeredBy))].sort();
  }

  const states: { title: string; pods: readonly PodName[] | undefined; met: string[] }[] = [
    { title: "an endpoint is gone", pods: ["p2"], met: ["p2"] },
    { title: "other endpoints came", pods: ["p1", "r1"], met: ["p1", "r1"] },
    { title: "the last endpoint is gone", pods: [], met: ["refused"] },
    { title: "an endpoint is back", pods: ["p1"], met: ["p1"] },
    { title: "the Service is gone", pods: undefined, met: ["world"] },
    { title: "the Service is back", pods: ["p1", "p2"], met: ["p1", "p2"] },
  ];

  it.each(states)("new connections follow when $title", async ({ pods, met }) => {
    await proxy.apply(pods ? objects(pods) : []);
    for (const { family, protocol } of PATHS) {
      expect([family, protocol, await answers(family, protocol)]).toEqual([family, protocol, met]);
    }
  });

  it.each(["IPv4", "IPv6"] as const)(
    "a UDP flow in use leaves an endpoint that is gone (%s)",
    async (family) => {
      const probe = async (): Promise<string> => {
        const outcomes = await bed.probe({
          from: "p3",
          protocol: "UDP",
          host: CLUSTER_IP[family],
          port: PORT,
          sourcePort: 40_000,
        });
        return answeredBy(outcomes[0]);
      };
      await proxy.apply(objects(["p1"]));
      expect(await probe()).toBe("p1");
      await proxy.apply(objects(["p2"]));
      // The clean-up of tracked flows follows the rules.
      await proxy.waitFor("the flow to move", async () => (await probe()) === "p2");
      expect(await probe()).toBe("p2");
    },
  );

  it("rules stay when the program ends, and no connection fails while it starts again, if the kernel serves", async () => {
    await proxy.apply(objects(["p1", "r1"]));
    expect(await left()).not.toEqual([]);
    const code = await proxy.stop();
    expect(code).toBe(0);
    const outcomes: ProbeOutcome[] = [];
    let restarted = false;
    const traffic = (async () => {
      while (!restarted) {
        for (const { family, protocol } of PATHS) {
          outcomes.push(
            ...(await bed.probe({ from: "p3", protocol, host: CLUSTER_IP[family], port: PORT, count: 4 })),
          );
        }
        await delay(5);
      }
    })();
    proxy = await start(["p1", "r1"]);
    restarted = true;
    await traffic;
    const met = new Set(outcomes.map(answeredBy));
    // In userspace mode it is the program that serves: without it clients are refused, or not heard.
    if (mode === "userspace") for (const outcome of ["refused", "timeout"]) met.delete(outcome);
    expect(met).toEqual(new Set(["p1", "r1"]));
  });

  it("--cleanup removes every rule, and the node passes service traffic on", async () => {
    await proxy.stop();
    await proxy.cleanUp();
    expect(await left()).toEqual([]);
    for (const { family, protocol } of PATHS) expect(await answers(family, protocol)).toEqual(["world"]);
  });
});
