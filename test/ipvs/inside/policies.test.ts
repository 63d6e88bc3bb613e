/** Who may use a Service, which endpoints a client gets, and what source these see, while that changes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinHostPort } from "../../../src/model/address.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import {
  CLIENT_ADDRESSES,
  CLIENT_RANGE,
  CLUSTER_CIDR,
  clientAddress,
  MEMBERS,
  type MemberName,
  POD_GATEWAY,
  type PodName,
} from "../../support/testbed/addresses.ts";
import { serviceObjects } from "../../support/testbed/objects.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { Conversation, type Talker, talk } from "./support/conversation.ts";
import { weights } from "./support/servers.ts";
import {
  ANSWER_PORT,
  answerOf,
  answersOf,
  clusterIP,
  externalIP,
  ingress,
  loadBalancerIP,
  nodePortOf,
  service,
  TALK_PORT,
} from "./support/services.ts";

const PODS = ["p1", "p2", "r1"] as const;
const ARGS = [`--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`];

let bed: Testbed;
let proxy: KubeProxy;
const talkers: Talker[] = [];

beforeAll(async () => {
  bed = await Testbed.create({ podPorts: [ANSWER_PORT, ANSWER_PORT + 1] });
  for (const pod of PODS) talkers.push(await talk(bed, pod, TALK_PORT));
  proxy = await bed.startProxy({ mode: "ipvs", variant: "legacy", args: ARGS, objects: [] });
});

afterAll(async () => {
  for (const talker of talkers) talker.close();
  await bed?.dispose();
});

/** What some connections meet: `POD sees SOURCE`, or how they failed. */
async function met(from: MemberName, host: string, more: { port?: number; source?: string } = {}) {
  const { port = 80, source } = more;
  const probe = { from, protocol: "TCP", host, port, count: 8, timeoutMs: 2_000 } as const;
  const outcomes = await bed.probe(source === undefined ? probe : { ...probe, source });
  const texts = outcomes.map((each) =>
    typeof each === "object" ? `${each.answeredBy} sees ${each.seenSource}` : each,
  );
  return [...new Set(texts)].sort();
}

const ip = (member: MemberName, family: IpFamily): string => MEMBERS[member].address[family];

describe("external policy Local", () => {
  const balanced = (pods: readonly PodName[]) =>
    service(1, pods, {
      spec: {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort: 31_001,
        externalIPs: Object.values(externalIP(1)),
      },
      status: ingress(...Object.values(loadBalancerIP(1))),
    });
  const ways = (family: IpFamily) => [
    { host: loadBalancerIP(1)[family], port: 80 },
    { host: externalIP(1)[family], port: 80 },
    { host: ip("node", family), port: nodePortOf(1) },
  ];

  it("keeps the address of clients outside", async () => {
    await proxy.apply(balanced(["p1", "r1"]));
    for (const family of IP_FAMILIES) {
      for (const { host, port } of ways(family))
        expect(await met("x", host, { port })).toEqual([`p1 sees ${ip("x", family)}`]);
    }
  });

  it("lets connections from outside go on when the last endpoint here goes, and drops new ones", async () => {
    const open: Conversation[] = [];
    for (const family of IP_FAMILIES) {
      for (const way of ways(family)) open.push(await Conversation.open(bed, { from: "x", ...way }));
    }
    expect(open.map(({ pod }) => pod)).toEqual(open.map(() => "p1"));
    await proxy.apply(balanced(["r1"]));
    for (const each of open) expect(await each.ask("still there?")).toBe("p1 still there?");
    for (const family of IP_FAMILIES) {
      for (const { host, port } of ways(family)) expect(await met("x", host, { port })).toEqual(["timeout"]);
    }
    for (const each of open) {
      expect(await each.ask("and now?")).toBe("p1 and now?");
      each.reset();
    }
  });

  it("without an endpoint here serves pods, and host-network clients of this node, from elsewhere", async () => {
    for (const family of IP_FAMILIES) {
      for (const { host, port } of ways(family)) {
        expect(await met("p3", host, { port })).toEqual([`r1 sees ${ip("p3", family)}`]);
        expect(await met("node", host, { port })).toEqual([`r1 sees ${ip("node", family)}`]);
      }
    }
  });
});

describe("source ranges of a load balancer", () => {
  const limited = (...ranges: string[]) =>
    service(2, ["p1"], {
      spec: { type: "LoadBalancer", loadBalancerSourceRanges: ranges },
      status: ingress(...Object.values(loadBalancerIP(2))),
    });
  const clients = Object.values(CLIENT_RANGE);
  const elsewhere = ["198.18.99.0/24", "2001:db8:99::/48"];

  async function answered(from: MemberName): Promise<string[]> {
    const hosts = IP_FAMILIES.map((family) => loadBalancerIP(2)[family]);
    const texts: string[] = [];
    for (const host of hosts) texts.push(...(await met(from, host)));
    return [...new Set(texts.map((text) => text.split(" ")[0] ?? ""))];
  }

  it("let in those inside, and nobody else: not even the node", async () => {
    await proxy.apply(limited(...clients));
    expect(await answered("x")).toEqual(["p1"]);
    expect(await answered("p3")).toEqual(["timeout"]);
    expect(await answered("node")).toEqual(["timeout"]);
  });

  it("let in the node when they hold its address", async () => {
    await proxy.apply(
      limited(...IP_FAMILIES.map((family) => `${ip("node", family)}/${family === "IPv4" ? 32 : 128}`)),
    );
    expect(await answered("node")).toEqual(["p1"]);
    expect(await answered("x")).toEqual(["timeout"]);
  });

  it.each([
    ["alone", ["0.0.0.0/0", "::/0"]],
    ["among others", [...elsewhere, "0.0.0.0/0", "::/0"]],
  ])("of everything let in everybody (%s)", async (_how, ranges) => {
    await proxy.apply(limited(...ranges));
    for (const from of ["x", "p3", "node"] as const)
      expect([from, await answered(from)]).toEqual([from, ["p1"]]);
  });

  it("close for new connections alone when they change, and open at once", async () => {
    await proxy.apply(limited(...clients));
    const open: Conversation[] = [];
    for (const family of IP_FAMILIES) {
      open.push(await Conversation.open(bed, { from: "x", host: loadBalancerIP(2)[family], port: 80 }));
    }
    await proxy.apply(limited(...elsewhere));
    expect(await answered("x")).toEqual(["timeout"]);
    for (const each of open) expect(await each.ask("still there?")).toBe("p1 still there?");
    await proxy.apply(limited(...elsewhere, ...clients));
    expect(await answered("x")).toEqual(["p1"]);
    for (const each of open) each.reset();
  });
});

describe("session affinity", () => {
  const sticky = (pods: readonly PodName[], sessionAffinity = "ClientIP") =>
    service(3, pods, { spec: { type: "NodePort", sessionAffinity } });
  const clients = Array.from({ length: CLIENT_ADDRESSES }, (_, index) => index);

  /** The pod of each client, by cluster IP or node port; several of a client, if it meets several. */
  async function podsOfClients(family: IpFamily, host: string, port: number): Promise<string[]> {
    const pods: string[] = [];
    for (const client of clients) {
      const source = clientAddress(family, client);
      const outcomes = await bed.probe({ from: "x", protocol: "TCP", host, port, source, count: 3 });
      pods.push(answersOf(outcomes).join("+"));
    }
    return pods;
  }

  it("is each virtual server's own, and its end moves only the clients of the endpoint that goes", async () => {
    await proxy.apply(sticky(PODS));
    const family = "IPv4";
    const byClusterIP = await podsOfClients(family, clusterIP(3)[family], 80);
    // One step further in the rotation than the other.
    await bed.probe({ from: "p3", protocol: "TCP", host: ip("node", family), port: nodePortOf(3) });
    const byNodePort = await podsOfClients(family, ip("node", family), nodePortOf(3));
    for (const pods of [byClusterIP, byNodePort]) expect(new Set(pods)).toEqual(new Set(PODS));
    expect(byNodePort).not.toEqual(byClusterIP);

    await proxy.apply(sticky(["p2", "r1"]));
    const after = await podsOfClients(family, clusterIP(3)[family], 80);
    expect(after.filter((_pod, client) => byClusterIP[client] !== "p1")).toEqual(
      byClusterIP.filter((pod) => pod !== "p1"),
    );
    expect(new Set(after)).toEqual(new Set(["p2", "r1"]));
  });

  it.each(IP_FAMILIES)(
    "to an endpoint that drains ends, though a connection to it is open (%s)",
    async (family) => {
      await proxy.apply(sticky(["p1", "p2"]));
      const to = { from: "x", host: clusterIP(3)[family], port: 80 } as const;
      const sources = clients.map((client) => clientAddress(family, client));
      const open: Conversation[] = [];
      for (const source of sources) open.push(await Conversation.open(bed, { ...to, source }));
      const stuck = open.filter(({ pod }) => pod === "p1");
      expect(stuck.length).toBeGreaterThan(0);
      await proxy.apply(sticky(["p2"]));
      expect(weights(bed, to.host, 80)).toMatchObject({
        [joinHostPort(ip("p1", family), TALK_PORT)]: 0,
        [joinHostPort(ip("p2", family), TALK_PORT)]: 1,
      });
      for (const source of sources) {
        const outcomes = await bed.probe({ ...to, protocol: "TCP", source, count: 2 });
        expect([source, answersOf(outcomes)]).toEqual([source, ["p2"]]);
      }
      for (const each of stuck) expect(await each.ask("still there?")).toBe("p1 still there?");
      for (const each of open) each.reset();
    },
  );

  it("comes and goes with the Service's wish, and open connections stay", async () => {
    await proxy.apply(sticky(["p1", "p2"], "None"));
    const to = { from: "p3", host: clusterIP(3).IPv4, port: 80 } as const;
    const open = await Conversation.open(bed, to);
    expect(answersOf(await bed.probe({ ...to, protocol: "TCP", count: 6 }))).toEqual(["p1", "p2"]);
    await proxy.apply(sticky(["p1", "p2"]));
    expect(answersOf(await bed.probe({ ...to, protocol: "TCP", count: 6 }))).toHaveLength(1);
    await proxy.apply(sticky(["p1", "p2"], "None"));
    expect(answersOf(await bed.probe({ ...to, protocol: "TCP", count: 6 }))).toEqual(["p1", "p2"]);
    expect(await open.ask("still there?")).toBe(`${open.pod} still there?`);
    open.reset();
  });
});

describe("a pod that calls itself", () => {
  it("gets through every way in, seeing its node as client", async () => {
    await proxy.apply(
      service(4, ["p1"], {
        targetPort: ANSWER_PORT,
        spec: { type: "NodePort", externalIPs: Object.values(externalIP(4)) },
      }),
    );
    for (const family of IP_FAMILIES) {
      const expected = [`p1 sees ${POD_GATEWAY.node[family]}`];
      expect(await met("p1", clusterIP(4)[family])).toEqual(expected);
      expect(await met("p1", externalIP(4)[family])).toEqual(expected);
      expect(await met("p1", ip("node", family), { port: nodePortOf(4) })).toEqual(expected);
    }
  });
});

describe("an address with several ports", () => {
  const PORTS = [
    { name: "one", protocol: "TCP", port: 80, targetPort: ANSWER_PORT },
    { name: "two", protocol: "TCP", port: 81, targetPort: ANSWER_PORT + 1 },
    { name: "three", protocol: "UDP", port: 80, targetPort: ANSWER_PORT },
  ] as const;
  const objects = (...names: string[]) =>
    serviceObjects({
      name: "several",
      clusterIP: clusterIP(5),
      ports: PORTS.filter(({ name }) => names.includes(name)),
      endpoints: [{ pod: "p1" }],
    });

  /** Names of the ports that answer. */
  async function open(family: IpFamily): Promise<string[]> {
    const names: string[] = [];
    for (const { name, protocol, port } of PORTS) {
      const [outcome] = await bed.probe({ from: "p3", protocol, host: clusterIP(5)[family], port });
      const answer = answerOf(outcome);
      if (answer === "p1") names.push(name);
      else expect(answer).toBe("refused");
    }
    return names;
  }

  it.each([
    { wanted: ["one", "two", "three"] },
    { wanted: ["one", "two"] },
    { wanted: ["one", "three"] },
    { wanted: ["three"] },
    { wanted: ["two"] },
    { wanted: ["one", "two", "three"] },
  ])("serves those that the Service has: $wanted", async ({ wanted }) => {
    await proxy.apply(objects(...wanted));
    for (const family of IP_FAMILIES) expect(await open(family)).toEqual(wanted);
  });
});
