/** The program's rules through what happens to a node: flushed tables, restarts, cleaning up. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { MEMBERS, type MemberName, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeIptables } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";
import { rulesOf, stateOf } from "../unit/backends/iptables-backend/harness.ts";
import { parseExposition } from "../unit/metrics/exposition.ts";

/** Settings of the whole machine stay as they are. */
const SAFE = ["--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"];
const SYNC_PERIOD = ["--iptables-sync-period=500ms", "--iptables-min-sync-period=50ms"];
const ARGS = [...SAFE, ...SYNC_PERIOD];

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const NODE_PORT = 30_053;

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

const OTHER = service("other", ["p2"], { IPv4: "10.96.0.2", IPv6: "fd00:10:96::2" }, 30_054);

function manifest(objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

describeIptables("rules", (variant) => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
  });

  afterAll(() => bed?.dispose());

  function program(family: IpFamily, suffix = ""): string {
    return `${family === "IPv4" ? "iptables" : "ip6tables"}-${variant}${suffix}`;
  }

  function iptables(family: IpFamily, ...args: string[]): Promise<string> {
    return bed.at("node").exec([program(family), "-w", ...args]);
  }

  function save(family: IpFamily, ...args: string[]): Promise<string> {
    return bed.at("node").exec([program(family, "-save"), ...args]);
  }

  /** The rules of both families; tables and chains without any do not count. */
  async function allRules(): Promise<unknown> {
    const saved = await Promise.all(IP_FAMILIES.map((family) => save(family)));
    return saved.map((text) =>
      Object.entries(stateOf(text)).filter(([name, rules]) => rules.length > 0 || name.includes("KUBE-")),
    );
  }

  async function metric(series: string): Promise<number | undefined> {
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
    return parseExposition(body).get(series);
  }

  function metricOf(name: string, family: IpFamily, labels = ""): Promise<number | undefined> {
    return metric(`${name}{ip_family="${family}"${labels}}`);
  }

  /** Starts on files whose objects nobody else knows of, and waits until they are in the kernel. */
  async function start(files: Readonly<Record<string, readonly object[]>>): Promise<KubeProxy> {
    const texts = Object.entries(files).map(([name, objects]) => [name, manifest(objects)] as const);
    const started = await bed.startProxy({ mode: "iptables", variant, args: ARGS, files: new Map(texts) });
    await started.waitFor("the first sync", async () => {
      const synced = IP_FAMILIES.map((family) =>
        metricOf("kubeproxy_sync_proxy_rules_last_timestamp_seconds", family).catch(() => 0),
      );
      return (await Promise.all(synced)).every((seconds) => Number(seconds) > 0);
    });
    return started;
  }

  async function answer(from: MemberName, host: string, port: number): Promise<string> {
    const [outcome] = await bed.probe({ from, host, port, protocol: "TCP", timeoutMs: 5_000 });
    return typeof outcome === "object" ? outcome.answeredBy : String(outcome);
  }

  it("start: all Services answer", async () => {
    proxy = await start({ "a.yaml": service("main", ["p1"]), "b.yaml": OTHER });
    for (const family of IP_FAMILIES) {
      expect(await answer("p3", CLUSTER_IP[family], 80)).toBe("p1");
      expect(await answer("x", MEMBERS.node.address[family], 30_054)).toBe("p2");
    }
  });

  describe("somebody else", () => {
    const restore = (family: IpFamily, table: string): Promise<string> =>
      bed.at("node").exec([program(family, "-restore")], `*${table}\nCOMMIT\n`);
    const flush = async (family: IpFamily, table: string, remove: boolean): Promise<void> => {
      await iptables(family, "-t", table, "-F");
      if (remove) await iptables(family, "-t", table, "-X");
    };

    // Flushing mangle takes away nothing: there is only an empty chain of ours.
    it.each([
      { what: "flushes nat", change: (family: IpFamily) => flush(family, "nat", false) },
      {
        what: "flushes nat and deletes its chains",
        change: (family: IpFamily) => flush(family, "nat", true),
      },
      { what: "restores an empty nat", change: (family: IpFamily) => restore(family, "nat") },
      { what: "flushes filter", change: (family: IpFamily) => flush(family, "filter", false) },
      { what: "restores an empty filter", change: (family: IpFamily) => restore(family, "filter") },
      { what: "deletes the chains of mangle", change: (family: IpFamily) => flush(family, "mangle", true) },
    ])("$what: it is noticed, repaired and counted", async ({ change }) => {
      const repairs = (family: IpFamily): Promise<number> =>
        metricOf("kpts_drift_repairs_total", family).then(Number);
      const expected = new Map<IpFamily, { rules: unknown; repairs: number }>();
      for (const family of IP_FAMILIES) {
        expected.set(family, { rules: ours(await save(family)), repairs: await repairs(family) });
        await change(family);
      }
      for (const family of IP_FAMILIES) {
        const { rules, repairs: earlier } = expected.get(family)!;
        await proxy.waitFor("the repair", async () => (await repairs(family)) > earlier);
        expect(await repairs(family)).toBe(earlier + 1);
        expect(ours(await save(family))).toEqual(rules);
        expect(await answer("p3", CLUSTER_IP[family], 80)).toBe("p1");
      }
    });

    it("takes no part when the proxy itself changes things", async () => {
      const repairs = await metricOf("kpts_drift_repairs_total", "IPv4");
      const syncs = (): Promise<number | undefined> =>
        metricOf("kubeproxy_sync_full_proxy_rules_duration_seconds_count", "IPv4");
      const full = await syncs();
      await proxy.write("a.yaml", manifest(service("main", ["p1", "p2"])));
      await proxy.waitFor("both endpoints", async () =>
        (await save("IPv4")).includes("main:tcp -> 10.244.0.12:8080"),
      );
      await proxy.write("a.yaml", manifest(service("main", ["p1"])));
      await proxy.waitFor(
        "one endpoint",
        async () => !(await save("IPv4")).includes("main:tcp -> 10.244.0.12:8080"),
      );
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect([await metricOf("kpts_drift_repairs_total", "IPv4"), await syncs()]).toEqual([repairs, full]);
    });
  });

  describe("a restart", () => {
    /** Packets that the rules of a Service's own chains have counted. */
    async function counted(family: IpFamily, name: string): Promise<string[]> {
      const text = await save(family, "-c", "-t", "nat");
      return text
        .split("\n")
        .filter((line) => /-A KUBE-S(VC|EP)-/.test(line) && line.includes(`test/${name}:`));
    }

    it("leaves every rule, and writes nothing when nothing changed", async () => {
      for (const family of IP_FAMILIES) {
        for (let i = 0; i < 3; i++) await answer("p3", CLUSTER_IP[family], 80);
      }
      const [rules, IPv4, IPv6] = [
        await allRules(),
        await counted("IPv4", "main"),
        await counted("IPv6", "main"),
      ];
      expect(IPv4.join()).toMatch(/\[[1-9]\d*:/);
      expect(await proxy.stop()).toBe(0);
      expect(await allRules()).toEqual(rules);
      proxy = await start({ "a.yaml": service("main", ["p1"]), "b.yaml": OTHER });
      for (const family of IP_FAMILIES) {
        const written = (table: string): Promise<number | undefined> =>
          metricOf("kubeproxy_sync_proxy_rules_iptables_last", family, `,table="${table}"`);
        expect([await written("nat"), await written("filter")]).toEqual([0, 0]);
      }
      expect(await allRules()).toEqual(rules);
      expect([await counted("IPv4", "main"), await counted("IPv6", "main")]).toEqual([IPv4, IPv6]);
    });

    it("removes what vanished meanwhile and leaves the rest alone", async () => {
      const kept = await counted("IPv4", "main");
      expect(await proxy.stop()).toBe(0);
      proxy = await start({ "a.yaml": service("main", ["p1"]), "b.yaml": [] });
      expect(await counted("IPv4", "main")).toEqual(kept);
      for (const family of IP_FAMILIES) expect(await save(family)).not.toContain("test/other");
    });
  });

  describe("--cleanup", () => {
    it("gives back the node as it was, as often as it is run", async () => {
      await proxy.stop();
      await proxy.cleanUp();
      expect(await allRules()).toEqual([[], []]);
      for (const family of IP_FAMILIES) {
        for (const rule of FOREIGN) await iptables(family, ...rule.split(" "));
      }
      const before = await allRules();
      proxy = await start({ "a.yaml": service("main", ["p1"]) });
      expect(await allRules()).not.toEqual(before);
      await proxy.stop();
      for (const _time of ["first", "second"]) {
        await proxy.cleanUp();
        expect(await allRules()).toEqual(before);
      }
    });

    it("leaves kubelet what they share", async () => {
      for (const family of IP_FAMILIES) await iptables(family, "-t", "mangle", "-N", "KUBE-KUBELET-CANARY");
      proxy = await start({});
      await proxy.stop();
      await proxy.cleanUp();
      for (const family of IP_FAMILIES) {
        const left = [...rulesOf(await save(family)).keys()].filter((name) => name.includes("KUBE-"));
        expect(left.sort()).toEqual(["filter KUBE-FIREWALL", "mangle KUBE-KUBELET-CANARY"]);
        expect(await iptables(family, "-S", "INPUT")).toContain("-j KUBE-FIREWALL");
      }
    });
  });
});

/** What a node has before the proxy comes. */
const FOREIGN = [
  "-t filter -N ADMIN",
  "-t filter -A INPUT -j ADMIN",
  "-t filter -A FORWARD -p tcp --dport 9 -j DROP",
  "-t nat -N CNI-HOSTPORT",
  "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT",
  "-t mangle -A PREROUTING -p udp --dport 9 -j ACCEPT",
];

/** Our part of the rules, and what leads into it. */
function ours(text: string): unknown {
  return Object.fromEntries(
    Object.entries(stateOf(text))
      .map(([name, rules]) => [name, rules.filter((rule) => rule.includes("KUBE-"))] as const)
      .filter(([name, rules]) => name.includes("KUBE-") || rules.length > 0),
  );
}
