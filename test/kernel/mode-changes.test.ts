/** Each mode gives way to each other one: all that it made goes, the other one's is as on a fresh node, clients are served. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

/** Those that this machine's kernel has; ipvs mode has tests of its own, in another kernel. */
const MODES = ["iptables", "nftables", "userspace"] as const;
type Mode = (typeof MODES)[number];

/** Every pair once, in both directions. */
const WALK: readonly Mode[] = [
  "iptables",
  "nftables",
  "userspace",
  "iptables",
  "userspace",
  "nftables",
  "iptables",
];

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const OBJECTS = serviceObjects({
  name: "main",
  clusterIP: CLUSTER_IP,
  ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 }],
  endpoints: [{ pod: "p1" }],
});

const missing = missingForTestbed(["/usr/sbin/iptables-nft", "/usr/sbin/nft", "/usr/sbin/ipset"]);

describe.skipIf(missing !== undefined)(`a change of modes ${missing ?? ""}`, () => {
  let bed: Testbed;
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2"] });
  });
  afterEach(() => last?.kill());
  afterAll(() => bed?.dispose());

  let last: KubeProxy | undefined;
  async function start(mode: Mode): Promise<KubeProxy> {
    last = await bed.startProxy({ mode, variant: "nft", objects: OBJECTS });
    return last;
  }

  /** What modes leave on a node, by name: chains and jumps, tables, sets, and rules that lead to a routing table. */
  async function traces(proxy: KubeProxy): Promise<readonly string[]> {
    const node = bed.at("node");
    const { IPv4, IPv6 } = await proxy.iptablesSave();
    const tables = await node.exec(["nft", "list", "tables"]);
    const sets = await node.exec(["ipset", "list", "-name"]);
    const rules = await Promise.all(["-4", "-6"].map((family) => node.exec(["ip", family, "rule"])));
    const ofIptables = [IPv4, IPv6].flatMap((text, index) =>
      [...text.matchAll(/^(?::KUBE-\S+|-A (?!KUBE-)\S+ .*KUBE-.*)/gm)].map(
        // Names with a hash are those of Services and endpoints, of which there are others each time.
        ([line]) => `${IP_FAMILIES[index]} ${line.replace(/(KUBE-(?:SVC|SEP)-)\w+/, "$1…")}`,
      ),
    );
    return [
      ...new Set([
        ...ofIptables,
        ...(tables.match(/^table ip6? kube-proxy$/gm) ?? []),
        ...(sets.match(/^KUBE-.*$/gm) ?? []),
        ...(rules.join("\n").match(/^.*fwmark.*$/gm) ?? []),
      ]),
    ].sort();
  }

  async function expectService(): Promise<void> {
    for (const family of IP_FAMILIES) {
      const [outcome] = await bed.probe({ from: "p2", host: CLUSTER_IP[family], port: 80, protocol: "TCP" });
      expect(outcome).toMatchObject({ answeredBy: "p1" });
    }
  }

  const alone = new Map<Mode, readonly string[]>();

  test.each(MODES)("--cleanup after %s mode leaves nothing, also when it is run again", async (mode) => {
    const proxy = await start(mode);
    const made = await traces(proxy);
    expect(made.length).toBeGreaterThan(1);
    alone.set(mode, made);
    await proxy.stop();
    for (const _twice of [1, 2]) {
      await proxy.cleanUp();
      expect(await traces(proxy)).toEqual([]);
    }
  });

  test("each after each other one", async () => {
    let before: Mode | "nothing" = "nothing";
    for (const mode of WALK) {
      const proxy = await start(mode);
      const step = `${before} to ${mode}`;
      expect([step, await traces(proxy)]).toEqual([step, alone.get(mode)]);
      await expectService();
      expect(proxy.log).not.toContain("could not remove");
      const told = [...proxy.log.matchAll(/removed the rules of a mode .*mode=(\w+)/g)].map(([, of]) => of);
      expect([step, told]).toEqual([step, before === "nothing" ? [] : IP_FAMILIES.map(() => before)]);
      await proxy.stop();
      before = mode;
    }
  });
});
