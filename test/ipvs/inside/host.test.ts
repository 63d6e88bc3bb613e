/** The node as a host: its settings, ARP, its own ports, ping, and its firewall. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { MEMBERS, type MemberName } from "../../support/testbed/addresses.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { ANSWER_PORT, answersOf, clusterIP, externalIP, nodePortOf, service } from "./support/services.ts";

const KINDS = { mode: "ipvs", variant: "legacy" } as const;
const HEALTH_CHECK_PORT = 31_000;
/** What a program of the node listens on, on all addresses. */
const HOST_PORT = 9_100;

/** An address of a Service on the wire itself, as load balancers of layer 2 give out. */
const ON_WIRE = "192.0.2.60";

/** Service 1 has pods on both nodes, 2 on this one and policy Local. */
const OBJECTS = [
  ...service(1, ["p1", "r1"], {
    targetPort: ANSWER_PORT,
    spec: { type: "NodePort", externalIPs: [...Object.values(externalIP(1)), ON_WIRE] },
  }),
  ...service(2, ["p1"], {
    targetPort: ANSWER_PORT,
    spec: { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: HEALTH_CHECK_PORT },
  }),
];

let bed: Testbed;
let proxy: KubeProxy;

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p3", "r1"] });
  await bed.serve("node", { ports: [HOST_PORT] });
});

afterAll(() => bed?.dispose());

/** Values of settings of the node, by name. */
async function sysctls(names: readonly string[]): Promise<Record<string, number>> {
  const values = (await bed.at("node").exec(["sysctl", "-n", ...names])).trim().split("\n");
  return Object.fromEntries(names.map((name, index) => [name, Number(values[index])]));
}

async function answers(from: MemberName, host: string, port: number, timeoutMs = 3_000): Promise<string[]> {
  return answersOf(await bed.probe({ from, protocol: "TCP", host, port, timeoutMs, count: 6 }));
}

describe("settings", () => {
  const WRITTEN = {
    "net.ipv4.vs.conntrack": 1,
    "net.ipv4.vs.expire_nodest_conn": 1,
    "net.ipv4.vs.expire_quiescent_template": 1,
    "net.ipv4.ip_forward": 1,
  };
  const ARP = ["net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce"];

  it("are written at the start whatever they were, and those of ARP left alone", async () => {
    await bed.at("node").exec(["modprobe", "ip_vs"]);
    await bed.at("node").exec(["sysctl", "-w", ...Object.keys(WRITTEN).map((name) => `${name}=0`)]);
    const others = [...ARP, "net.ipv4.vs.conn_reuse_mode", "net.ipv4.conf.all.route_localnet"];
    const before = await sysctls(others);
    proxy = await bed.startProxy({ ...KINDS, objects: OBJECTS });
    expect(await sysctls(Object.keys(WRITTEN))).toEqual(WRITTEN);
    expect(await sysctls(others)).toEqual(before);
    expect(before).toMatchObject({ "net.ipv4.conf.all.arp_ignore": 0, "net.ipv4.vs.conn_reuse_mode": 1 });
  });

  it("let clients be masqueraded", async () => {
    for (const family of IP_FAMILIES) {
      const target = { protocol: "TCP", host: externalIP(1)[family], port: 80, count: 8 } as const;
      const seen = (await bed.probe({ from: "x", ...target })).map((outcome) =>
        typeof outcome === "object" && outcome.answeredBy === "r1" ? outcome.seenSource : "",
      );
      expect(new Set(seen)).toEqual(new Set(["", MEMBERS.node.address[family]]));
    }
  });

  it("without strict ARP let the node answer for the addresses of Services", async () => {
    expect(await answers("node2", ON_WIRE, 80)).toEqual(["p1", "r1"]);
  });
});

describe("ports of the node's own programs", () => {
  it.each(IP_FAMILIES)("are closed at addresses of Services and open at the node's (%s)", async (family) => {
    for (const from of ["p3", "x", "node2", "node"] as const) {
      const seen = {
        node: await answers(from, MEMBERS.node.address[family], HOST_PORT),
        clusterIP: await answers(from, clusterIP(1)[family], HOST_PORT),
        externalIP: await answers(from, externalIP(1)[family], HOST_PORT),
      };
      const expected = { node: ["node"], clusterIP: ["refused"], externalIP: ["refused"] };
      expect([from, seen]).toEqual([from, expected]);
    }
  });

  it.each(IP_FAMILIES)("over UDP as well (%s)", async (family) => {
    const udp = { from: "x", protocol: "UDP", port: HOST_PORT } as const;
    expect(answersOf(await bed.probe({ ...udp, host: MEMBERS.node.address[family] }))).toEqual(["node"]);
    expect(answersOf(await bed.probe({ ...udp, host: externalIP(1)[family] }))).toEqual(["refused"]);
  });
});

describe("ping", () => {
  const ECHO_REPLY = 0;
  const DESTINATION_UNREACHABLE = 3;

  /** Type of the first ICMP answer to an echo request from a pod; undefined if there is none. */
  async function ping(host: string): Promise<number | undefined> {
    const echo = String.raw`printf '\010\000\367\374\000\001\000\002'`;
    const command = `${echo} | socat -T1 -t1 - ip4-sendto:${host}:1 | od -An -tu1 -N64`;
    const bytes = (await bed.at("p3").exec(["sh", "-c", command])).trim().split(/\s+/).map(Number);
    // A raw socket may hand over the IP header as well.
    return (bytes[0] ?? 0) >> 4 === 4 ? bytes[20] : bytes[0];
  }

  it("is answered by the node, and refused at the address of a Service", async () => {
    expect(await ping(MEMBERS.node.address.IPv4)).toBe(ECHO_REPLY);
    expect(await ping(clusterIP(1).IPv4)).toBe(DESTINATION_UNREACHABLE);
  });
});

describe("a firewall of the node", () => {
  const DEFAULTS = ["INPUT", "FORWARD"] as const;
  const program = (family: IpFamily): string => (family === "IPv4" ? "iptables-legacy" : "ip6tables-legacy");
  const iptables = (family: IpFamily, ...rule: string[]) =>
    bed.at("node").exec([program(family), "-w", ...rule]);

  async function policy(chain: (typeof DEFAULTS)[number], to: "DROP" | "ACCEPT"): Promise<void> {
    for (const family of IP_FAMILIES) await iptables(family, "-P", chain, to);
  }

  it("that forwards nothing leaves Services alone, for their requests do not cross it and their answers may", async () => {
    await policy("FORWARD", "DROP");
    for (const family of IP_FAMILIES) {
      const node = MEMBERS.node.address[family];
      expect(await answers("p3", MEMBERS.r1.address[family], ANSWER_PORT, 400)).toEqual(["timeout"]);
      expect(await answers("p3", clusterIP(1)[family], 80)).toEqual(["p1", "r1"]);
      expect(await answers("p1", clusterIP(1)[family], 80)).toEqual(["p1", "r1"]);
      expect(await answers("x", node, nodePortOf(1))).toEqual(["p1", "r1"]);
      expect(await answers("x", node, nodePortOf(2))).toEqual(["p1"]);
      expect(await answers("node", clusterIP(1)[family], 80)).toEqual(["p1", "r1"]);
    }
    await policy("FORWARD", "ACCEPT");
  });

  it("that lets nothing in closes Services too, but not the port of their health checks", async () => {
    for (const family of IP_FAMILIES) {
      if (family === "IPv6") await iptables(family, "-A", "INPUT", "-p", "icmpv6", "-j", "ACCEPT");
      await iptables(family, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT");
    }
    await policy("INPUT", "DROP");
    for (const family of IP_FAMILIES) {
      const node = MEMBERS.node.address[family];
      expect(await answers("x", node, HOST_PORT, 400)).toEqual(["timeout"]);
      expect(await answers("p3", clusterIP(1)[family], 80, 400)).toEqual(["timeout"]);
      const url = `http://${family === "IPv6" ? `[${node}]` : node}:${HEALTH_CHECK_PORT}/`;
      expect((await bed.fetch("x", url)).status).toBe(200);
    }
    await policy("INPUT", "ACCEPT");
    for (const family of IP_FAMILIES) await iptables(family, "-F", "INPUT");
  });
});

describe("strict ARP", () => {
  it("keeps the addresses of Services to the node, and what is routed to it is served", async () => {
    await proxy.stop();
    proxy = await bed.startProxy({ ...KINDS, args: ["--ipvs-strict-arp"], objects: OBJECTS });
    expect(await sysctls(["net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce"])).toEqual({
      "net.ipv4.conf.all.arp_ignore": 1,
      "net.ipv4.conf.all.arp_announce": 2,
    });
    const node2 = (...command: string[]) => bed.at("node2").exec(["ip", ...command]);
    await node2("neigh", "flush", "all");
    expect(await answers("node2", ON_WIRE, 80, 5_000)).toEqual(["error EHOSTUNREACH"]);
    expect(await answers("node2", MEMBERS.node.address.IPv4, nodePortOf(1))).toEqual(["p1", "r1"]);
    // As when a load balancer has told that it is this node's now.
    await node2("route", "add", ON_WIRE, "via", MEMBERS.node.address.IPv4);
    expect(await answers("node2", ON_WIRE, 80)).toEqual(["p1", "r1"]);
  });
});
