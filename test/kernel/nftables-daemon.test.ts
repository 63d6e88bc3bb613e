/** The program's tables through what happens to a node: changes by others, restarts, other proxies' tables, cleaning up. */
import { readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGeneration } from "../../src/kernel/nf-tables.ts";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { inNetworkOf } from "../support/daemon-api/in-network.ts";
import { tableState } from "../support/nftables-state.ts";
import { MEMBERS, type MemberName, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy, ProxyOptions } from "../support/testbed/proxy.ts";
import { describeNftables } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";
import { upstreamTable } from "../support/upstream-nftables.ts";
import { parseExposition } from "../unit/metrics/exposition.ts";

const ARGS = [
  // Settings of the whole machine stay as they are.
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  // The period of looks at the kernel is left at half a minute: what is repaired sooner was told by the kernel.
  "--iptables-min-sync-period=50ms",
];

/** A repair within a second, seen from a busy machine. */
const REPAIR_MS = 3_000;

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const NODE_PORT = 30_053;
const TABLES = { IPv4: "ip", IPv6: "ip6" } as const;

/** A Service on TCP and UDP with a node port. */
function service(
  name: string,
  pods: readonly PodName[],
  clusterIP = CLUSTER_IP,
  nodePort = NODE_PORT,
): object[] {
  const port = { port: 80, targetPort: 8080, nodePort };
  return serviceObjects({
    name,
    clusterIP,
    ports: [
      { name: "tcp", protocol: "TCP", ...port },
      { name: "udp", protocol: "UDP", ...port },
    ],
    endpoints: pods.map((pod) => ({ pod })),
    spec: { type: "NodePort" },
  });
}

const MAIN = service("main", ["p1"]);
const OTHER = service("other", ["p2"], { IPv4: "10.96.0.2", IPv6: "fd00:10:96::2" }, 30_054);

function manifest(objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

describeNftables("tables", () => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
  });

  afterAll(() => bed?.dispose());

  function nft(...args: string[]): Promise<string> {
    return bed.at("node").exec(["nft", ...args]);
  }

  async function state(family: IpFamily): Promise<unknown> {
    return tableState(await nft("-j", "list", "table", TABLES[family], "kube-proxy"));
  }

  function states(): Promise<unknown[]> {
    return Promise.all(IP_FAMILIES.map(state));
  }

  /** Every committed change to any table of the node adds one. */
  function generation(): number {
    return inNetworkOf(bed.at("node").pid, readGeneration);
  }

  async function metric(name: string, family: IpFamily): Promise<number> {
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
    return Number(parseExposition(body).get(`${name}{ip_family="${family}"}`));
  }

  function repairs(): Promise<number[]> {
    return Promise.all(IP_FAMILIES.map((family) => metric("kpts_drift_repairs_total", family)));
  }

  /** Starts on files whose objects nobody else knows of, and waits until they are in the kernel. */
  async function start(
    files: Readonly<Record<string, readonly object[]>>,
    options: Omit<ProxyOptions, "files"> = { mode: "nftables" },
  ): Promise<KubeProxy> {
    const texts = Object.entries(files).map(([name, objects]) => [name, manifest(objects)] as const);
    const started = await bed.startProxy({ args: ARGS, ...options, files: new Map(texts) });
    await started.waitFor("the first sync", async () => {
      const synced = IP_FAMILIES.map((family) =>
        metric("kubeproxy_sync_proxy_rules_last_timestamp_seconds", family).catch(() => 0),
      );
      return (await Promise.all(synced)).every((seconds) => seconds > 0);
    });
    return started;
  }

  async function answer(from: MemberName, host: string, port: number): Promise<string> {
    const [outcome] = await bed.probe({ from, host, port, protocol: "TCP", timeoutMs: 2_000 });
    return typeof outcome === "object" ? outcome.answeredBy : String(outcome);
  }

  /** Everything that connections meet, by cluster IP and node port in both families, while the work goes on. */
  async function metDuring(work: () => Promise<unknown>): Promise<string[]> {
    const met = new Set<string>();
    let done = false;
    const traffic = (async () => {
      while (!done) {
        const answers = IP_FAMILIES.flatMap((family) => [
          answer("p3", CLUSTER_IP[family], 80),
          answer("x", MEMBERS.node.address[family], NODE_PORT),
        ]);
        for (const text of await Promise.all(answers)) met.add(text);
        await delay(2);
      }
    })();
    try {
      await work();
    } finally {
      done = true;
      await traffic;
    }
    return [...met];
  }

  it("start: all Services answer", async () => {
    proxy = await start({ "a.yaml": MAIN, "b.yaml": OTHER });
    for (const family of IP_FAMILIES) {
      expect(await answer("p3", CLUSTER_IP[family], 80)).toBe("p1");
      expect(await answer("x", MEMBERS.node.address[family], 30_054)).toBe("p2");
    }
  });

  describe("somebody else", () => {
    const CHANGES: readonly (readonly [what: string, command: (family: IpFamily) => string])[] = [
      ["flushes the table", (family) => `flush table ${TABLES[family]} kube-proxy`],
      ["deletes the table", (family) => `delete table ${TABLES[family]} kube-proxy`],
      [
        "deletes a cluster IP",
        (family) =>
          `delete element ${TABLES[family]} kube-proxy service-ips { ${CLUSTER_IP[family]} . tcp . 80 }`,
      ],
      [
        "deletes a node port",
        (family) => `delete element ${TABLES[family]} kube-proxy service-nodeports { tcp . ${NODE_PORT} }`,
      ],
      ["flushes the endpoints", (family) => `flush map ${TABLES[family]} kube-proxy endpoints`],
      [
        "adds an element",
        (family) =>
          `add element ${TABLES[family]} kube-proxy cluster-ips { ${family === "IPv4" ? "192.0.2.7" : "2001:db8::7"} }`,
      ],
      [
        "adds a chain",
        (family) => `add chain ${TABLES[family]} kube-proxy foreign { type filter hook input priority 0; }`,
      ],
    ];

    /** Runs nft in a way that tells its process id. */
    async function foreign(command: string): Promise<string> {
      const pid = await bed.at("node").exec(["sh", "-c", 'echo $$; exec nft "$0"', command]);
      return pid.trim();
    }

    it.each(CHANGES)(
      "%s: it is noticed, logged with its author, repaired and counted",
      async (_what, command) => {
        const before = await states();
        const counted = await repairs();
        // One family after the other: each has its own loop and its own line in the log.
        for (const [index, family] of IP_FAMILIES.entries()) {
          const said = proxy.log.length;
          const pid = await foreign(command(family));
          await expect
            .poll(() => state(family).catch(String), { timeout: REPAIR_MS, interval: 20 })
            .toEqual(before[index]);
          const lines = proxy.log.slice(said).split("\n");
          const warnings = lines.filter(
            (line) => line.includes(" WARN ") && line.includes(`family=${family}`),
          );
          expect(warnings).toHaveLength(1);
          expect(warnings[0]).toMatch(authoredBy(pid));
          expect(await answer("p3", CLUSTER_IP[family], 80)).toBe("p1");
        }
        await expect.poll(repairs, { timeout: REPAIR_MS }).toEqual(counted.map((count) => count + 1));
        expect(await states()).toEqual(before);
      },
    );

    it("flushes the whole ruleset: both families are repaired", async () => {
      const before = await states();
      const pid = await foreign("flush ruleset");
      await expect.poll(() => states().catch(String), { timeout: REPAIR_MS, interval: 20 }).toEqual(before);
      expect(proxy.log).toMatch(authoredBy(pid));
    });

    it("changes other tables: nothing is done", async () => {
      const [counted, before] = [await repairs(), await states()];
      await nft("add table ip other; add chain ip other c; delete table ip other");
      await nft("add table ip6 other; delete table ip6 other");
      await delay(500);
      expect([await repairs(), await states()]).toEqual([counted, before]);
    });

    it("takes no part when the proxy itself changes things", async () => {
      const counted = await repairs();
      const fullPasses = (): Promise<number[]> =>
        Promise.all(
          IP_FAMILIES.map((family) =>
            metric("kubeproxy_sync_full_proxy_rules_duration_seconds_count", family),
          ),
        );
      const full = await fullPasses();
      for (const pods of [["p1", "p2"], [], ["p1", "p3"], ["p1"]] as const) {
        const before = generation();
        await proxy.write("a.yaml", manifest(service("main", pods)));
        await proxy.waitFor("the change", async () => generation() > before);
        await delay(100);
      }
      await delay(500);
      expect(await answer("p3", CLUSTER_IP.IPv4, 80)).toBe("p1");
      expect([await repairs(), await fullPasses()]).toEqual([counted, full]);
    });
  });

  describe("a restart", () => {
    it("leaves the tables, and writes nothing when nothing changed", async () => {
      const [before, written] = [await states(), generation()];
      const met = await metDuring(async () => {
        expect(await proxy.stop()).toBe(0);
        proxy = await start({ "a.yaml": MAIN, "b.yaml": OTHER });
        await delay(300);
      });
      expect(met).toEqual(["p1"]);
      expect(generation()).toBe(written);
      expect(await states()).toEqual(before);
    });

    it("removes what vanished meanwhile and adds what came", async () => {
      expect(await proxy.stop()).toBe(0);
      const third = service("third", ["p2"], { IPv4: "10.96.0.3", IPv6: "fd00:10:96::3" }, 30_055);
      const met = await metDuring(async () => {
        proxy = await start({ "a.yaml": MAIN, "b.yaml": third });
      });
      expect(met).toEqual(["p1"]);
      for (const family of IP_FAMILIES) {
        const text = await nft("list", "table", TABLES[family], "kube-proxy");
        expect(text).not.toContain(family === "IPv4" ? "10.96.0.2 " : "fd00:10:96::2 ");
        expect(await answer("x", MEMBERS.node.address[family], 30_055)).toBe("p2");
      }
    });

    it("replaces upstream's table while all connections are served", async () => {
      await proxy.stop();
      await proxy.cleanUp();
      proxy = await start({ "a.yaml": MAIN, "b.yaml": [] });
      const alone = await states();
      await proxy.stop();
      for (const family of IP_FAMILIES) {
        const table = upstreamTable(family, {
          name: "ULMVA6XW-test/main/tcp/tcp",
          clusterIP: CLUSTER_IP[family],
          port: 80,
          nodePort: NODE_PORT,
          nodeIP: MEMBERS.node.address[family],
          endpoint: { ip: MEMBERS.p1.address[family], port: 8080 },
        });
        const swap = `add table ${TABLES[family]} kube-proxy\ndelete table ${TABLES[family]} kube-proxy\n${table}`;
        await bed.at("node").exec(["nft", "-f", "-"], swap);
      }
      expect(await states()).not.toEqual(alone);
      const met = await metDuring(async () => {
        proxy = await start({ "a.yaml": MAIN });
      });
      expect(met).toEqual(["p1"]);
      expect(await states()).toEqual(alone);
    });
  });

  describe("--cleanup", () => {
    const ruleset = (): Promise<string> => nft("list", "ruleset");

    it("gives back the node as it was, as often as it is run", async () => {
      await proxy.stop();
      await proxy.cleanUp();
      expect(await nft("list", "tables")).not.toContain("kube-proxy");
      await bed.at("node").exec(["nft", "-f", "-"], FOREIGN);
      const before = await ruleset();
      proxy = await start({ "a.yaml": MAIN });
      expect(await nft("list", "tables")).toContain("table ip6 kube-proxy");
      await proxy.stop();
      for (const _time of ["first", "second"]) {
        await proxy.cleanUp();
        expect(await ruleset()).toBe(before);
      }
    });
  });

  describe("another mode before it", () => {
    const saved = async (): Promise<string> =>
      (
        await Promise.all(
          ["iptables-nft-save", "ip6tables-nft-save"].map((name) => bed.at("node").exec([name])),
        )
      ).join();

    it("is removed, in both directions", async () => {
      proxy = await start({ "a.yaml": MAIN }, { mode: "iptables", variant: "nft" });
      expect(await saved()).toContain("KUBE-SVC-");
      await proxy.stop();
      proxy = await start({ "a.yaml": MAIN }, { mode: "nftables", variant: "nft" });
      expect(await saved()).not.toMatch(/KUBE-(?!FIREWALL)/);
      expect(await answer("p3", CLUSTER_IP.IPv4, 80)).toBe("p1");
      await proxy.stop();
      proxy = await start({ "a.yaml": MAIN }, { mode: "iptables", variant: "nft" });
      expect(await nft("list", "tables")).not.toMatch(/ kube-proxy$/m);
      expect(await answer("p3", CLUSTER_IP.IPv4, 80)).toBe("p1");
      await proxy.stop();
      await proxy.cleanUp();
    });
  });
});

/** The kernel tells process ids of its first namespace; where the tests run in another one, they cannot know them. */
function authoredBy(pid: string): RegExp {
  const number = readlinkSync("/proc/self/ns/pid") === "pid:[4026531836]" ? pid : "\\d+";
  return new RegExp(`\\bnft\\b.*\\b${number}\\b|\\b${number}\\b.*\\bnft\\b`);
}

/** What a node has before the proxy comes. */
const FOREIGN = `
table inet admin {
  chain input {
    type filter hook input priority 10; policy accept;
    tcp dport 9 drop
  }
}
table ip kube-proxy-not-ours {
  map service-ips {
    type ipv4_addr : ipv4_addr
    elements = { 192.0.2.7 : 192.0.2.8 }
  }
}
`;
