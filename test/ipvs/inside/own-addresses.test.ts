/** Addresses that the node has by itself: as those of Services, and for node ports. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinHostPort } from "../../../src/model/address.ts";
import { IP_FAMILIES, type PerFamily } from "../../../src/model/types.ts";
import {
  MEMBERS,
  type MemberName,
  SECOND_NODE_ADDRESS,
  WIRE_PREFIX,
} from "../../support/testbed/addresses.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { virtualServers } from "./support/servers.ts";
import {
  ANSWER_PORT,
  answersOf,
  clusterIP,
  externalIP,
  ingress,
  nodePortOf,
  service,
} from "./support/services.ts";

/** What a program of the node listens on, on all addresses. */
const HOST_PORT = 9_100;
/** An address that comes and goes while the program runs. */
const LATE: PerFamily<string> = { IPv4: "192.0.2.77", IPv6: "2001:db8::77" };
const POLL = { timeout: 8_000, interval: 100 };

const NODE = MEMBERS.node.address;
const OPTIONS = { mode: "ipvs", variant: "legacy", args: ["--ipvs-sync-period=2s"] } as const;

/** Its external and load-balancer IPs are the node's own. */
const OF_NODE = service(1, ["p1"], {
  targetPort: ANSWER_PORT,
  spec: { type: "LoadBalancer", externalIPs: Object.values(SECOND_NODE_ADDRESS) },
  status: ingress(...Object.values(NODE)),
});
/** Its external IPs are nobody's yet. */
const MOVING = service(2, ["p1"], {
  targetPort: ANSWER_PORT,
  spec: { externalIPs: [...Object.values(externalIP(2)), ...Object.values(LATE)] },
});

let bed: Testbed;
let proxy: KubeProxy;

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p3"] });
  await bed.serve("node", { ports: [HOST_PORT] });
  proxy = await bed.startProxy({ ...OPTIONS, objects: [...OF_NODE, ...MOVING] });
});

afterAll(() => bed?.dispose());

/** Addresses on a device, each followed by a blank. */
function addresses(device: string): Promise<string> {
  return bed.at("node").exec(["ip", "-o", "address", "show", "dev", device]);
}

function address(verb: "add" | "del", ip: string, bits: number, device: string): Promise<string> {
  return bed
    .at("node")
    .exec([
      "ip",
      "address",
      verb,
      `${ip}/${bits}`,
      "dev",
      device,
      ...(ip.includes(":") && verb === "add" ? ["nodad"] : []),
    ]);
}

async function answer(from: MemberName, host: string, port: number): Promise<string | undefined> {
  return answersOf(await bed.probe({ from, protocol: "TCP", host, port, timeoutMs: 1_500 }))[0];
}

describe.each(IP_FAMILIES)("external and load-balancer IPs that are the node's own (%s)", (family) => {
  const own = [SECOND_NODE_ADDRESS[family], NODE[family]];

  it("are served, the node stays reachable at them, and they are not on the device", async () => {
    for (const host of own) {
      for (const from of ["x", "p3", "node"] as const) {
        expect([host, from, await answer(from, host, 80)]).toEqual([host, from, "p1"]);
        expect([host, from, await answer(from, host, HOST_PORT)]).toEqual([host, from, "node"]);
      }
      expect(await addresses("kube-ipvs0")).not.toContain(` ${host}/`);
    }
  });

  it("are taken from the device when somebody puts them there too, and stay with the node", async () => {
    const bits = family === "IPv4" ? 32 : 128;
    for (const host of own) await address("add", host, bits, "kube-ipvs0");
    await proxy.stop();
    proxy = await bed.startProxy({ ...OPTIONS, objects: [...OF_NODE, ...MOVING] });
    const device = await addresses("kube-ipvs0");
    for (const host of own) {
      expect(device).not.toContain(` ${host}/`);
      expect(await answer("x", host, 80)).toBe("p1");
      expect(await answer("x", host, nodePortOf(1))).toBe("p1");
      expect(await answer("x", host, HOST_PORT)).toBe("node");
    }
  });
});

describe("an external IP that another device of the node gets, and loses", () => {
  it("leaves the device and comes back, and is served all the while", async () => {
    for (const family of IP_FAMILIES) {
      expect(await addresses("kube-ipvs0")).toContain(` ${LATE[family]}/`);
      await address("add", LATE[family], WIRE_PREFIX[family], "eth0");
    }
    const onDevice = async () => {
      const device = await addresses("kube-ipvs0");
      return IP_FAMILIES.map((family) => device.includes(` ${LATE[family]}/`));
    };
    await expect.poll(onDevice, POLL).toEqual([false, false]);
    for (const family of IP_FAMILIES) {
      expect(await answer("x", LATE[family], 80)).toBe("p1");
      expect(await answer("x", LATE[family], HOST_PORT)).toBe("node");
      await address("del", LATE[family], WIRE_PREFIX[family], "eth0");
    }
    await expect.poll(onDevice, POLL).toEqual([true, true]);
    for (const family of IP_FAMILIES) {
      expect(await answer("p3", LATE[family], 80)).toBe("p1");
      expect(await answer("p3", LATE[family], HOST_PORT)).toBe("refused");
    }
  });
});

describe("node ports", () => {
  const isServed = () => {
    const servers = virtualServers(bed);
    return IP_FAMILIES.map((family) => servers.has(`TCP ${joinHostPort(LATE[family], nodePortOf(1))}`));
  };

  it("are open at a new address of the node, and closed when it is gone, within the sync period", async () => {
    expect(isServed()).toEqual([false, false]);
    for (const family of IP_FAMILIES) await address("add", LATE[family], WIRE_PREFIX[family], "eth0");
    await expect.poll(isServed, POLL).toEqual([true, true]);
    for (const family of IP_FAMILIES) expect(await answer("x", LATE[family], nodePortOf(1))).toBe("p1");
    for (const family of IP_FAMILIES) await address("del", LATE[family], WIRE_PREFIX[family], "eth0");
    await expect.poll(isServed, POLL).toEqual([false, false]);
  });

  it("are never served on loopback or link-local addresses, which the node has", async () => {
    expect(await bed.at("node").exec(["ip", "-o", "-6", "address", "show", "dev", "eth0"])).toContain(
      " fe80::",
    );
    const servers = [...virtualServers(bed).keys()].filter((key) => key.endsWith(`:${nodePortOf(1)}`));
    expect(servers.some((key) => key.startsWith(`TCP ${NODE.IPv4}:`))).toBe(true);
    expect(servers.filter((key) => / (127\.|\[::1\]|\[fe80:)/.test(key))).toEqual([]);
  });
});

describe("a Service that goes", () => {
  it("leaves the node its own addresses", async () => {
    await proxy.apply(MOVING);
    for (const family of IP_FAMILIES) {
      for (const host of [SECOND_NODE_ADDRESS[family], NODE[family]]) {
        expect(await answer("x", host, 80)).toBe("refused");
        expect(await answer("x", host, HOST_PORT)).toBe("node");
      }
      expect(await addresses("lo")).toContain(` ${SECOND_NODE_ADDRESS[family]}/`);
      expect(await addresses("eth0")).toContain(` ${NODE[family]}/`);
    }
  });

  it("takes the addresses along that it alone had, and leaves those that others use", async () => {
    const shared = [
      ...MOVING,
      ...service(3, ["p1"], { targetPort: HOST_PORT + 1, spec: { externalIPs: [externalIP(2).IPv4] } }),
    ];
    await proxy.apply(shared.map((object) => otherPort(object, "s3")));
    expect(await addresses("kube-ipvs0")).toContain(` ${externalIP(2).IPv4}/`);
    await proxy.apply(shared.slice(MOVING.length).map((object) => otherPort(object, "s3")));
    const device = await addresses("kube-ipvs0");
    expect(device).toContain(` ${externalIP(2).IPv4}/`);
    expect(device).not.toContain(` ${externalIP(2).IPv6}/`);
    expect(device).not.toContain(` ${clusterIP(2).IPv4}/`);
  });
});

/** The Service of this name at port 81 instead of 80. */
function otherPort(object: object, name: string): object {
  const { kind, metadata, spec } = object as {
    kind: string;
    metadata: { name: string };
    spec: { ports: object[] };
  };
  if (kind !== "Service" || metadata.name !== name) return object;
  return { ...object, spec: { ...spec, ports: spec.ports.map((port) => ({ ...port, port: 81 })) } };
}
