/** The program's objects through what happens to a node: changes by others, restarts, the end, cleaning up. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { MEMBERS } from "../../support/testbed/addresses.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { parseExposition } from "../../unit/metrics/exposition.ts";
import { virtualServers } from "./support/servers.ts";
import {
  ANSWER_PORT,
  answersOf,
  clusterIP,
  ingress,
  loadBalancerIP,
  nodePortOf,
  service,
} from "./support/services.ts";

const OPTIONS = { mode: "ipvs", variant: "legacy", args: ["--ipvs-sync-period=2s"] } as const;
/** A sync period, the repair, and a busy machine. */
const REPAIRED = { timeout: 12_000, interval: 100 };

const MAIN = service(1, ["p1"], {
  targetPort: ANSWER_PORT,
  spec: { type: "LoadBalancer", loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/64"] },
  status: ingress(...Object.values(loadBalancerIP(1))),
});
const OTHER = service(2, ["p3"], { targetPort: ANSWER_PORT, spec: { type: "NodePort" } });

const PROGRAM = fileURLToPath(new URL("../../../bin/kube-proxy", import.meta.url));

/** Somebody else's, at an address that is the node's and at one that is not. */
const FOREIGN = ["TCP 192.0.2.1:99", "TCP 192.0.2.200:99"];

let bed: Testbed;
let proxy: KubeProxy;

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p3"] });
  await run("modprobe", "ip_vs");
  await addForeign();
  await run("ipset", "create", "admin", "hash:ip");
  await run(
    "iptables-legacy",
    "-t",
    "mangle",
    "-A",
    "INPUT",
    "-m",
    "set",
    "--match-set",
    "admin",
    "src",
    "-j",
    "DROP",
  );
  proxy = await bed.startProxy({ ...OPTIONS, objects: [...MAIN, ...OTHER] });
});

afterAll(() => bed?.dispose());

function run(...argv: string[]): Promise<string> {
  return bed.at("node").exec(argv);
}

/** Runs the program with `--cleanup`. It starts many programs, which takes long inside user-mode Linux. */
async function cleanUp(): Promise<void> {
  const path = `PATH=/run/tools:${process.env.PATH}`;
  const [nsenter = "", ...args] = bed.at("node").enter(["env", path, PROGRAM, "--cleanup"]);
  await promisify(execFile)(nsenter, args, { timeout: 120_000 });
}

async function addForeign(): Promise<void> {
  for (const server of FOREIGN) {
    const address = server.split(" ")[1] ?? "";
    await run("ipvsadm", "-A", "-t", address, "-s", "wlc");
    await run("ipvsadm", "-a", "-t", address, "-r", "10.244.0.11:99", "-m", "-w", "7");
  }
}

const sorted = (text: string): string[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .sort();

/** Everything that the program or somebody else has put into the node's kernel. */
async function state() {
  const device = await run("sh", "-c", "ip -o address show dev kube-ipvs0 2>/dev/null || true");
  const rules = Object.values(await proxy.iptablesSave()).flatMap((text) => text.split("\n"));
  return {
    servers: sorted(await run("ipvsadm", "-Sn")),
    addresses: device.match(/inet6? [^ ]+/g)?.sort() ?? [],
    // Counters and times differ.
    rules: rules.filter((line) => line.startsWith("-A")),
    sets: sorted(await run("ipset", "save")),
  };
}

async function metric(series: string): Promise<number> {
  const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
  return parseExposition(body).get(series) ?? Number.NaN;
}

function repairs(): Promise<number[]> {
  return Promise.all(IP_FAMILIES.map((family) => metric(`kpts_drift_repairs_total{ip_family="${family}"}`)));
}

async function expectServed(): Promise<void> {
  for (const family of IP_FAMILIES) {
    const met = async (from: "p3" | "x", host: string, port: number) =>
      answersOf(await bed.probe({ from, protocol: "TCP", host, port, timeoutMs: 2_000 }));
    expect(await met("p3", clusterIP(1)[family], 80)).toEqual(["p1"]);
    expect(await met("x", loadBalancerIP(1)[family], 80)).toEqual(["p1"]);
    expect(await met("x", MEMBERS.node.address[family], nodePortOf(2))).toEqual(["p3"]);
  }
}

describe("what it tells of itself", () => {
  it("names the mode", async () => {
    expect(await bed.fetch("node", "http://127.0.0.1:10249/proxyMode")).toEqual({
      status: 200,
      body: "ipvs",
    });
  });

  it.each(IP_FAMILIES)("counts the new connections of every way in (%s)", async (family) => {
    const series = (protocol: string) =>
      `kubeproxy_service_connections_total{ip_family="${family}",namespace="test",service="s1",port="${protocol.toLowerCase()}",protocol="${protocol}"}`;
    const counts = async () => [await metric(series("TCP")), await metric(series("UDP"))];
    const [tcp = 0, udp = 0] = await counts();
    const ways = [
      { from: "p3", host: clusterIP(1)[family], port: 80, count: 5 },
      { from: "x", host: loadBalancerIP(1)[family], port: 80, count: 6 },
      { from: "x", host: MEMBERS.node.address[family], port: nodePortOf(1), count: 7 },
    ] as const;
    for (const way of ways) await bed.probe({ ...way, protocol: "TCP" });
    await bed.probe({ ...ways[0], protocol: "UDP" });
    await expect.poll(counts, { timeout: 5_000 }).toEqual([tcp + 18, udp + 5]);
  });

  it("counts its objects", async () => {
    const ours = [...virtualServers(bed).keys()].filter((key) => !FOREIGN.includes(key));
    const counted = await Promise.all(
      IP_FAMILIES.map((family) =>
        metric(`kpts_kernel_objects{ip_family="${family}",kind="virtual_servers"}`),
      ),
    );
    expect(counted).toEqual(
      IP_FAMILIES.map((family) => ours.filter((key) => key.includes("[") === (family === "IPv6")).length),
    );
  });
});

describe("somebody else", () => {
  const BOTH: readonly IpFamily[] = IP_FAMILIES;
  const CHANGES: { what: string; families: readonly IpFamily[]; command: string }[] = [
    { what: "removes all virtual servers", families: BOTH, command: "ipvsadm -C" },
    { what: "deletes the device", families: BOTH, command: "ip link del kube-ipvs0" },
    {
      what: "takes the device down and up",
      families: ["IPv6"],
      command: "ip link set kube-ipvs0 up; ip link set kube-ipvs0 down",
    },
    {
      what: "flushes nat",
      families: BOTH,
      command: "iptables-legacy -w -t nat -F; ip6tables-legacy -w -t nat -F",
    },
    {
      what: "flushes filter",
      families: ["IPv4"],
      command: "iptables-legacy -w -F",
    },
    {
      what: "deletes one virtual server",
      families: ["IPv4"],
      command: `ipvsadm -D -t ${clusterIP(1).IPv4}:80`,
    },
    { what: "flushes a set", families: ["IPv6"], command: "ipset flush KUBE-6-LOAD-BALANCER" },
  ];

  it.each(CHANGES)("$what: it is noticed, repaired and counted", async ({ families, command }) => {
    const [before, counted] = [await state(), await repairs()];
    await run("sh", "-c", command);
    if (command === "ipvsadm -C") await addForeign();
    const expected = counted.map(
      (count, index) => count + Number(families.includes(IP_FAMILIES[index] as IpFamily)),
    );
    await expect.poll(repairs, REPAIRED).toEqual(expected);
    await expect.poll(state, REPAIRED).toEqual(before);
    await expectServed();
  });
});

describe("the end", () => {
  it("leaves everything as it was, and Services are served on", async () => {
    const before = await state();
    expect(await proxy.stop()).toBe(0);
    expect(await state()).toEqual(before);
    await expectServed();
  });

  it("is made up for by the next start: what went meanwhile is removed, what is others' stays", async () => {
    proxy = await bed.startProxy({ ...OPTIONS, objects: MAIN });
    const serversOf = (what: string): string[] =>
      [...virtualServers(bed).keys()].filter((key) => key.includes(what));
    // What is surplus goes last, when others are served already.
    const surplus = [...IP_FAMILIES.map((family) => clusterIP(2)[family]), `:${nodePortOf(2)}`];
    await expect.poll(() => surplus.flatMap(serversOf), REPAIRED).toEqual([]);
    for (const family of IP_FAMILIES) expect(serversOf(clusterIP(1)[family])).toHaveLength(2);
    const servers = [...virtualServers(bed).keys()];
    expect(servers).toEqual(expect.arrayContaining(FOREIGN));
  });
});

describe("--cleanup", () => {
  it("removes all that is the program's and nothing of others, as often as it is run", async () => {
    await proxy.stop();
    for (const _time of ["first", "second"]) {
      await cleanUp();
      const left = await state();
      expect([...virtualServers(bed).keys()].sort()).toEqual(FOREIGN);
      expect(left.servers.filter((line) => line.startsWith("-a"))).toEqual(
        FOREIGN.map((server) => `-a -t ${server.split(" ")[1]} -r 10.244.0.11:99 -m -w 7`),
      );
      expect(left.sets.map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual(["create admin"]);
      // That one chain belongs to kubelet as well.
      expect(left.rules.filter((rule) => !rule.includes("KUBE-FIREWALL"))).toEqual([
        "-A INPUT -m set --match-set admin src -j DROP",
      ]);
      expect(await run("ip", "-o", "link")).not.toContain("kube-ipvs0");
    }
  });
});
