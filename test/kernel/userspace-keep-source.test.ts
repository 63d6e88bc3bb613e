/** The client's address, kept where it can be: what is set up for it, what happens without, and that nothing stays. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { IpFamily } from "../../src/model/types.ts";
import { MEMBERS, POD_GATEWAY } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { IptablesVariant, KubeProxy } from "../support/testbed/proxy.ts";
import { PROXY_KINDS } from "../support/testbed/suite.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const VARIANTS: readonly IptablesVariant[] = ["nft", "legacy"];
const PROGRAMS = [
  "/usr/sbin/nft",
  ...VARIANTS.flatMap((variant) => ["iptables", "ip6tables"].map((name) => `/usr/sbin/${name}-${variant}`)),
];
const isTested = PROXY_KINDS.some(({ mode }) => mode === "userspace");
const missing = isTested ? missingForTestbed(PROGRAMS) : "userspace mode is not tested here";

const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];
const NODE_PORT = 30_200;
const HOST_NODE_PORT = 30_201;
/** Of a server of the node itself, as a pod in the network of its host is. */
const HOST_PORT = 8095;
const CHAIN = "KUBE-PORTALS-KEEP-SOURCE";
const REFUSED = "clients' addresses cannot be kept";

const local = (name: string, number: number, nodePort: number, targetPort: number): object[] =>
  serviceObjects({
    name,
    clusterIP: { IPv4: `10.96.0.${number}`, IPv6: `fd00:10:96::${number}` },
    ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort, nodePort }],
    endpoints: [{ pod: "p1" }],
    spec: { type: "NodePort", externalTrafficPolicy: "Local" },
  });

function objects(): object[] {
  const ofHost = local("host", 21, HOST_NODE_PORT, HOST_PORT).map((object) => {
    if (!("addressType" in object)) return object;
    const address = MEMBERS.node.address[object.addressType as IpFamily];
    return {
      ...object,
      endpoints: [{ addresses: [address], nodeName: "node", conditions: { ready: true } }],
    };
  });
  return [...local("pods", 20, NODE_PORT, 8080), ...ofHost];
}

describe.skipIf(missing)(`clients' addresses${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let bed: Testbed;
  afterEach(() => bed?.dispose());

  async function start(
    variant: IptablesVariant,
    prepare?: () => Promise<unknown>,
    ...args: string[]
  ): Promise<KubeProxy> {
    bed = await Testbed.create({ pods: ["p1", "p3"] });
    const hosts = FAMILIES.map((family) => MEMBERS.node.address[family]);
    await bed.serve("node", { hosts, ports: [HOST_PORT] });
    await prepare?.();
    return bed.startProxy({ mode: "userspace", variant, objects: objects(), args });
  }

  /** What `x` meets at a node port. */
  async function met(family: IpFamily, port = NODE_PORT): Promise<string> {
    const host = MEMBERS.node.address[family];
    const [outcome] = await bed.probe({ from: "x", protocol: "TCP", host, port });
    return typeof outcome === "object" ? `${outcome.answeredBy} sees ${outcome.seenSource}` : String(outcome);
  }

  const kept = (family: IpFamily): string => `p1 sees ${MEMBERS.x.address[family]}`;
  const notKept = (family: IpFamily): string => `p1 sees ${POD_GATEWAY.node[family]}`;
  const sysctl = (setting: string) => bed.at("node").exec(["sysctl", "-qw", setting]);

  /** Rules and routes of ours, and chains, in both families. */
  async function traces(proxy: KubeProxy): Promise<string[]> {
    const node = bed.at("node");
    const found: string[] = [];
    for (const family of FAMILIES) {
      const option = family === "IPv4" ? "-4" : "-6";
      const rules = await node.exec(["ip", option, "rule", "show"]);
      const routes = await node.exec(["ip", option, "route", "show", "table", "all"]);
      const saved = (await proxy.iptablesSave())[family];
      if (rules.includes("lookup 10256")) found.push(`${family} rule`);
      if (routes.includes("table 10256")) found.push(`${family} route`);
      if (saved.includes("-m socket --transparent")) found.push(`${family} mark`);
      if (saved.includes(CHAIN) || saved.includes("KUBE-PORTALS-TRY")) found.push(`${family} chain`);
    }
    return found;
  }
  const ALL = FAMILIES.flatMap((family) =>
    ["rule", "route", "mark", "chain"].map((what) => `${family} ${what}`),
  );

  describe.each(VARIANTS)("with iptables-%s", (variant) => {
    it("are kept, except where the endpoint is the node itself, and nothing stays after --cleanup", async () => {
      const proxy = await start(variant, undefined, "--iptables-sync-period=1s");
      for (const family of FAMILIES) {
        expect(await met(family)).toBe(kept(family));
        expect(await met(family, HOST_NODE_PORT)).toBe(`node sees ${MEMBERS.node.address[family]}`);
      }
      expect(await traces(proxy)).toEqual(ALL);
      // Time to look at them again, and find them as they should be.
      await delay(2_500);
      expect(proxy.log).not.toContain(REFUSED);
      expect(proxy.log).not.toContain("somebody else changed our rules");
      await proxy.stop();
      await proxy.cleanUp();
      expect(await traces(proxy)).toEqual([]);
    });

    it("are the node's, and said so once, where iptables lacks the match", async () => {
      const proxy = await start(variant, () => withoutSocketMatch(variant));
      for (const family of FAMILIES) expect(await met(family)).toBe(notKept(family));
      expect(await traces(proxy)).toEqual(["IPv4 chain", "IPv6 chain"]);
      await proxy.apply([]);
      expect(proxy.log.split(REFUSED)).toHaveLength(1 + FAMILIES.length);
    });
  });

  it.each(["nftables", "iptables"] as const)("leave nothing when mode %s takes over", async (mode) => {
    const proxy = await start("nft");
    expect(await traces(proxy)).toEqual(ALL);
    await proxy.stop();
    await bed.startProxy({ mode, variant: "nft", objects: objects() });
    expect(await traces(proxy)).toEqual([]);
  });

  it("are kept in spite of strict rp_filter", async () => {
    await start("nft", () => sysctl("net.ipv4.conf.all.rp_filter=1"));
    for (const family of FAMILIES) expect(await met(family)).toBe(kept(family));
  });

  it("are the node's where marked packets are not let in", async () => {
    const proxy = await start("nft", () => sysctl("net.ipv4.conf.all.src_valid_mark=1"));
    expect(await met("IPv4")).toBe(notKept("IPv4"));
    expect(await met("IPv6")).toBe(kept("IPv6"));
    expect(proxy.log.split(REFUSED)).toHaveLength(2);
  });

  it("are the node's while answers do not come back, until the route is repaired", async () => {
    await start("nft", undefined, "--iptables-sync-period=2s");
    for (const option of ["-4", "-6"])
      await bed.at("node").exec(["ip", option, "rule", "del", "pref", "100"]);
    for (const family of FAMILIES) expect([kept(family), notKept(family)]).toContain(await met(family));
    const deadline = Date.now() + 10_000;
    for (const family of FAMILIES) {
      while ((await met(family)) !== kept(family) && Date.now() < deadline) await delay(200);
      expect(await met(family)).toBe(kept(family));
    }
  });

  /** Puts programs into the proxy's way that refuse the match as those of a kernel without xt_socket do. */
  async function withoutSocketMatch(variant: IptablesVariant): Promise<void> {
    const tools = bed.at("node").path("/run/tools");
    await mkdir(tools, { recursive: true });
    for (const name of ["iptables", "ip6tables"]) {
      const program = `${tools}/${name}-restore`;
      const refuse = `case "$text" in *"-m socket"*) echo "${name}-restore: Couldn't load match" >&2; exit 2;; esac`;
      const pass = `printf '%s\\n' "$text" | exec /usr/sbin/${name}-${variant}-restore "$@"`;
      await writeFile(program, `#!/bin/sh\ntext=$(cat)\n${refuse}\n${pass}\n`);
      await chmod(program, 0o755);
    }
  }
});
