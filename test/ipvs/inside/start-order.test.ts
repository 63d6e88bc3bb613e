/** A start on a new node: rules before virtual servers, what everything depends on before the rest, nothing half done. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { CLUSTER_CIDR, type PodName } from "../../support/testbed/addresses.ts";
import type { Attempt } from "../../support/testbed/agent-protocol.ts";
import { serviceObjects } from "../../support/testbed/objects.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { answerOf, answersOf } from "./support/services.ts";

/** More than are written in one go. */
const SERVICES = 220;
const POD_PORT = 8_080;
/** They stand at the end of the list, and among Services that sort before them. */
const URGENT = ["default/kubernetes", "kube-system/kube-dns"] as const;
const SLICE_MS = 1_000;
/** Clients served that show that a Service is there. */
const ENOUGH = 10;

const clusterIP = (index: number) => ({
  IPv4: `10.96.${2 + (index >> 8)}.${index & 255}`,
  IPv6: `fd00:10:96::2${index.toString(16).padStart(3, "0")}`,
});

function named(key: string, index: number, pod: PodName): object[] {
  const [namespace = "", name = ""] = key.split("/");
  const objects = serviceObjects({
    name,
    clusterIP: clusterIP(index),
    ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: POD_PORT }],
    endpoints: [{ pod }],
  }) as { metadata: object }[];
  return objects.map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }));
}

const OBJECTS = [
  ...Array.from({ length: SERVICES }, (_, index) => named(`apps/app-${index}`, index, "r1")),
  ...URGENT.map((key, index) => named(key, SERVICES + index, "r1")),
].flat();

/** The last of the first kind and both of the second. */
const ALL = SERVICES + URGENT.length;
const WATCHED = [SERVICES - 1, SERVICES, SERVICES + 1];

const PROGRAMS = { IPv4: "iptables", IPv6: "ip6tables" } as const;
/** Where a container runtime's own bridge would have its containers. */
const RUNTIME_CIDR = { IPv4: "172.17.0.0/16", IPv6: "fd00:172:17::/64" } as const;

/** Stands in for the restore program: when the rules have just been written, it looks at what else there is. */
const spying = (program: string): string => `#!/bin/sh
document=$(cat)
printf '%s\\n' "$document" | /usr/sbin/${program}-legacy-restore "$@"
code=$?
case $document in *KUBE-SERVICES*)
  cat /proc/net/ip_vs >/run/seen-${program}-servers
  ipset save >/run/seen-${program}-sets
  ip -o address show dev kube-ipvs0 >/run/seen-${program}-addresses ;;
esac
exit $code
`;

let bed: Testbed;
let monitor: ChildProcess;
let heard = "";
const attempts: Attempt[] = [];

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p3", "r1"] });
  const hosts = WATCHED.flatMap((index) => Object.values(clusterIP(index)));
  await bed.serve("world", { hosts, ports: [80] });
  const node = bed.at("node");
  await mkdir(node.path("/run/tools"), { recursive: true });
  for (const program of Object.values(PROGRAMS)) {
    await writeFile(node.path(`/run/tools/${program}-restore`), spying(program));
    await chmod(node.path(`/run/tools/${program}-restore`), 0o755);
  }
  const listen = node.enter(["ip", "-o", "monitor", "address"]);
  monitor = spawn("setpriv", ["--pdeathsig", "KILL", ...listen], { stdio: ["ignore", "pipe", "ignore"] });
  monitor.stdout?.setEncoding("utf8").on("data", (text) => {
    heard += text;
  });
  for (const family of IP_FAMILIES) {
    // As a runtime does on every node before any proxy starts. Where the proxy's rules are the first that track connections,
    // those under way count as new to them and are masqueraded half-way, so that the far end resets them.
    const masquerade = ["-A", "POSTROUTING", "-s", RUNTIME_CIDR[family], "-j", "MASQUERADE"];
    await node.exec([`${PROGRAMS[family]}-legacy`, "-w", "-t", "nat", ...masquerade]);
  }
  const targets = hosts.map((host) => ({ protocol: "TCP" as const, host, port: 80 }));
  // More objects than an ordinary test has, on a machine that may be busy: no half minute for them to be there.
  const files = new Map([["objects.yaml", OBJECTS.map((object) => JSON.stringify(object)).join("\n---\n")]]);
  // The client outside needs masquerading, or the other node's pod answers it on another way.
  let done = false;
  const traffic = (async () => {
    while (!done) {
      const request = { targets, atOnce: 4, durationMs: SLICE_MS, timeoutMs: 5_000 };
      attempts.push(...(await bed.traffic("x", request)));
    }
  })();
  const args = [`--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`];
  await bed.startProxy({ mode: "ipvs", variant: "legacy", args, files });
  await vi.waitFor(() => expect(IP_FAMILIES.map((family) => bound(family).length)).toEqual([ALL, ALL]), {
    timeout: 120_000,
    interval: 100,
  });
  await vi.waitFor(
    () => expect(hosts.filter((_host, target) => served(target).length <= ENOUGH)).toEqual([]),
    {
      timeout: 60_000,
      interval: SLICE_MS,
    },
  );
  done = true;
  await traffic;
});

afterAll(async () => {
  monitor?.kill();
  await bed?.dispose();
});

/** Clients that a Service has served. */
function served(target: number): readonly Attempt[] {
  const ofTarget = attempts.filter((attempt) => attempt.target === target);
  return ofTarget.filter(({ outcome }) => answerOf(outcome) === "r1");
}

/** Addresses of Services in the order in which the kernel got them. */
function bound(family: IpFamily): string[] {
  const inet = family === "IPv4" ? "inet" : "inet6";
  return Array.from(heard.matchAll(new RegExp(`kube-ipvs0 +${inet} ([^/]+)/`, "g")), ([, ip = ""]) => ip);
}

const seen = (family: IpFamily, what: string): Promise<string> =>
  readFile(bed.at("node").path(`/run/seen-${PROGRAMS[family]}-${what}`), "utf8");

it.each(IP_FAMILIES)(
  "sets are filled and rules written before the first virtual server is there (%s)",
  async (family) => {
    const servers = (await seen(family, "servers")).split("\n").filter((line) => line.startsWith("TCP"));
    expect(servers.filter((line) => line.includes("[") === (family === "IPv6"))).toEqual([]);
    const inet = family === "IPv4" ? " inet " : " inet6 ";
    expect(await seen(family, "addresses")).not.toContain(inet);
    const set = family === "IPv4" ? "KUBE-CLUSTER-IP" : "KUBE-6-CLUSTER-IP";
    const entries = (await seen(family, "sets")).match(new RegExp(`^add ${set} `, "gm")) ?? [];
    expect(entries).toHaveLength(ALL);
  },
);

it.each(IP_FAMILIES)("the API server and DNS are the first to have their addresses (%s)", (family) => {
  const urgent = URGENT.map((_key, index) => clusterIP(SERVICES + index)[family]);
  expect(new Set(bound(family).slice(0, URGENT.length))).toEqual(new Set(urgent));
});

it("a client outside meets each Service whole or not at all", () => {
  const hosts = WATCHED.flatMap((index) => Object.values(clusterIP(index)));
  for (const [target, host] of hosts.entries()) {
    const ofTarget = attempts.filter((attempt) => attempt.target === target);
    expect([host, served(target).length > ENOUGH]).toEqual([host, true]);
    const passedOn = ofTarget.filter(({ outcome }) => answerOf(outcome) === "world");
    const lastMs = Math.max(...passedOn.map(({ startedMs }) => startedMs));
    const firstMs = Math.min(...served(target).map(({ startedMs }) => startedMs));
    const met = (some: readonly Attempt[]) => answersOf(some.map(({ outcome }) => outcome));
    expect([host, met(ofTarget.filter(({ endedMs }) => endedMs < lastMs))]).toEqual([host, ["world"]]);
    expect([host, met(ofTarget.filter(({ startedMs }) => startedMs > firstMs))]).toEqual([host, ["r1"]]);
    // One under way when the address came to the node is the node's from then on, and unknown to it. None is refused.
    const cut = ["error ECONNRESET", "error EPIPE", "timeout"];
    expect([host, met(ofTarget).filter((answer) => !cut.includes(answer))]).toEqual([host, ["r1", "world"]]);
  }
});
