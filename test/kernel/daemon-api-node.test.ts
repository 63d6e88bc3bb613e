/** The daemon and its own Node object: what it takes from it, and when the daemon must be started anew. */
import { expect, it } from "vitest";
import type { ApiServer } from "../support/api-server/api-server.ts";
import { type DaemonTests, describeDaemonInModes } from "../support/daemon-api/daemon.ts";
import { NODE_NAME, nodeObject, TestService } from "../support/daemon-api/objects.ts";
import { MEMBERS, NODE_POD_CIDR } from "../support/testbed/addresses.ts";

async function followNode(daemon: DaemonTests, node = nodeObject(), args: readonly string[] = []) {
  const service = new TestService();
  const server = await daemon.serve([node, ...service.objects(["p1"])]);
  const proxy = await daemon.follow(server, args);
  await daemon.expectAnswer(service, "p1");
  return { server, service, proxy };
}

describeDaemonInModes("the daemon's Node", (daemon) => {
  it.each<[string, (server: ApiServer) => void, string, lacks: boolean]>([
    ["is deleted", (server) => server.remove("Node", "", NODE_NAME), "the Node was deleted", false],
    [
      "has another address (and not when it has none for a moment)",
      (server) => {
        server.put(nodeObject({ internalIPs: [] }));
        server.put(nodeObject({ internalIPs: ["192.0.2.77"] }));
      },
      `the Node's addresses changed from ${MEMBERS.node.address.IPv4},${MEMBERS.node.address.IPv6} to 192.0.2.77`,
      true,
    ],
  ])("ends the daemon with exit code 1 when it %s; the rules stay", async (_what, change, reason, lacks) => {
    const { server, service, proxy } = await followNode(daemon);
    change(server);
    expect(await daemon.exit()).toBe(1);
    expect(proxy.log).toContain(`reason="${reason}"`);
    expect(proxy.log.includes("the Node lacks what it had")).toBe(lacks);
    expect(await daemon.answers(service)).toBe("p1");
  });

  it("makes /healthz, not /livez, say 503 while the cluster autoscaler is about to remove it", async () => {
    const { server } = await followNode(daemon);
    const health = async (path: string) => {
      const { status, body } = await daemon.fetch(10256, path);
      return { code: status, ...JSON.parse(body) };
    };
    expect(await health("/healthz")).toMatchObject({ code: 200, healthy: true, nodeEligible: true });
    server.put(nodeObject({ taints: ["ToBeDeletedByClusterAutoscaler"] }));
    await daemon.eventually(async () => expect((await health("/healthz")).code).toBe(503));
    expect(await health("/healthz")).toMatchObject({ healthy: true, nodeEligible: false });
    const live = await health("/livez");
    expect(live).toMatchObject({ code: 200, healthy: true });
    expect(live).not.toHaveProperty("nodeEligible");
    server.put(nodeObject({ taints: ["example.com/other"] }));
    await daemon.eventually(async () => expect((await health("/healthz")).code).toBe(200));
  });

  it("decides by its zone label which hinted endpoints are used, whenever the label changes", async () => {
    const service = new TestService();
    const zones = { p1: "a", r1: "b" };
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1", "r1"], { zones })]);
    await daemon.follow(server);
    await daemon.eventually(async () => expect(await daemon.allAnswers(service)).toEqual(["p1", "r1"]));
    server.put(nodeObject({ zone: "a" }));
    await daemon.eventually(async () => expect(await daemon.allAnswers(service)).toEqual(["p1"]));
    server.put(nodeObject({ zone: "b" }));
    await daemon.eventually(async () => expect(await daemon.allAnswers(service)).toEqual(["r1"]));
    server.put(nodeObject());
    await daemon.eventually(async () => expect(await daemon.allAnswers(service)).toEqual(["p1", "r1"]));
  });

  it("tells with --detect-local-mode=NodeCIDR what is a local pod: waited for, used, and not to change", async () => {
    const cidrs = [NODE_POD_CIDR.node.IPv4, NODE_POD_CIDR.node.IPv6];
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    const proxy = await daemon.follow(server, ["--detect-local-mode=NodeCIDR"]);
    await daemon.eventually(() => expect(proxy.log).toContain('found="a Node without podCIDRs"'));
    expect(await daemon.rules(service)).toEqual([]);

    server.put(nodeObject({ podCIDRs: cidrs }));
    await daemon.expectAnswer(service, "p1");
    // Whoever is no pod of this node is masqueraded; a local pod keeps its address.
    const seen = async (from: "x" | "p2" | "r1") => {
      const target = { host: service.clusterIP.IPv4, port: 80 };
      const [outcome] = await daemon.bed.probe({ from, protocol: "TCP", ...target });
      return typeof outcome === "object" ? outcome.seenSource : outcome;
    };
    expect(await seen("p2")).toBe(MEMBERS.p2.address.IPv4);
    for (const other of ["x", "r1"] as const) expect(await seen(other)).not.toBe(MEMBERS[other].address.IPv4);

    server.put(nodeObject({ podCIDRs: ["10.99.0.0/24"] }));
    expect(await daemon.exit()).toBe(1);
    expect(proxy.log).toContain(`the Node's podCIDRs changed from ${cidrs} to 10.99.0.0/24`);
  });
});
