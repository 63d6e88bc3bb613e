/** Real UDP flows through real translation: what we list is what `conntrack` lists, and only stale flows go. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DeleteResult, UdpFlow } from "../../src/kernel/conntrack.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import type { ReconcileResult } from "../../src/sync/stale-flows.ts";
import { type ServicePortSpec, servicePort } from "../support/service-port.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import type { CallName, ReconcileArgument } from "./kernel-calls.ts";

const CALLS = fileURLToPath(new URL("./kernel-calls.ts", import.meta.url));
const missing = missingForTestbed(["/usr/sbin/nft", "/usr/sbin/conntrack"]);

/** Two endpoints, a service with cluster IP and node port, and a host that is none of the proxy's business. */
const PLAN = {
  IPv4: {
    node: "192.168.5.1",
    endpoints: ["10.1.0.2", "10.1.0.3"],
    clusterIP: "10.96.0.10",
    stranger: "198.51.100.1",
  },
  IPv6: {
    node: "fd05::1",
    endpoints: ["fd10::2", "fd10::3"],
    clusterIP: "fd96::a",
    stranger: "fd99::1",
  },
} as const;
const ENDPOINT_PORT = 80;
const NODE_PORT = 30053;

/** Everything is on the loopback interface of one namespace; the cluster IP exists only as a route. */
const LINKS = `
link set lo up
${["192.168.5.1/32", "10.1.0.2/32", "10.1.0.3/32"].map((a) => `addr add ${a} dev lo`).join("\n")}
${["fd05::1", "fd10::2", "fd10::3"].map((a) => `addr add ${a}/128 dev lo nodad`).join("\n")}
route add 10.96.0.0/16 dev lo
route add fd96::/16 dev lo
`;

/** The Service's rules with one of its endpoints, or none at all. */
function rules(chosen?: 0 | 1): string {
  const lines = (["IPv4", "IPv6"] as const).flatMap((family) => {
    // Connections are tracked all the same.
    if (chosen === undefined) return ["ct state new counter"];
    const { clusterIP, endpoints, node } = PLAN[family];
    const ip = family === "IPv4" ? "ip" : "ip6";
    const target = family === "IPv4" ? endpoints[chosen] : `[${endpoints[chosen]}]`;
    return [
      `${ip} daddr ${clusterIP} udp dport 53 dnat ${ip} to ${target}:${ENDPOINT_PORT}`,
      `${ip} daddr ${node} udp dport ${NODE_PORT} dnat ${ip} to ${target}:${ENDPOINT_PORT}`,
    ];
  });
  return `
table inet t
delete table inet t
table inet t {
  chain output {
    type nat hook output priority -100
    ${lines.join("\n    ")}
  }
}
`;
}

describe.skipIf(missing)(`UDP flows in the kernel${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;

  beforeAll(async () => {
    ns = await Namespace.create("ct");
    await ns.exec(["ip", "-batch", "-"], LINKS);
    await ns.exec(["nft", "-f", "-"], rules(0));
    for (const family of ["IPv4", "IPv6"] as const) {
      for (const host of PLAN[family].endpoints) {
        await ns.ask({ op: "serve", name: host, hosts: [host], ports: [ENDPOINT_PORT] });
      }
    }
  });
  afterAll(() => ns?.dispose());

  async function call<T>(name: CallName, argument: unknown): Promise<T> {
    const output = await ns.exec([nodeProgram(), CALLS, name, JSON.stringify(argument)]);
    return JSON.parse(output) as T;
  }

  /** Sends from a given port, so that the same tuple can be had again; returns who answered. */
  async function send(host: string, port: number, sourcePort: number): Promise<string> {
    const probe = {
      op: "probe",
      protocol: "UDP",
      host,
      port,
      sourcePort,
      count: 1,
      timeoutMs: 4_000,
    } as const;
    const [outcome] = await ns.ask(probe);
    return typeof outcome === "object" ? outcome.answeredBy : `${outcome}`;
  }

  async function sendAll(family: IpFamily): Promise<string[]> {
    const { clusterIP, node } = PLAN[family];
    return [
      await send(clusterIP, 53, 4001),
      await send(clusterIP, 53, 4002),
      await send(node, NODE_PORT, 4003),
    ];
  }

  const FAMILY_OPTION = { IPv4: "ipv4", IPv6: "ipv6" } as const;

  /** What the conntrack program shows, in our words. */
  async function shown(family: IpFamily): Promise<string[]> {
    const argv = ["conntrack", "-L", "-p", "udp", "-f", FAMILY_OPTION[family], "-o", "extended,id"];
    const lines = (await ns.exec(argv)).split("\n").filter((line) => line.includes("udp"));
    return lines.map((line) => {
      const values = (key: string) =>
        [...line.matchAll(new RegExp(`\\b${key}=(\\S+)`, "g"))].map((m) => m[1]);
      const [src, replySrc] = values("src");
      const [sport, replySport] = values("sport");
      const [zone = "0"] = values("zone");
      return `${src}:${sport} ${values("dst")[0]}:${values("dport")[0]} ${replySrc}:${replySport} ${zone} ${values("id")[0]}`;
    });
  }
  async function listed(family: IpFamily): Promise<string[]> {
    const flows = await call<UdpFlow[]>("flows", family);
    return flows.map(
      (f) =>
        `${f.origSrc}:${f.origSrcPort} ${f.origDst}:${f.origDstPort} ${f.replySrc}:${f.replySrcPort} ${f.zone} ${f.id}`,
    );
  }

  function service(family: IpFamily, spec: ServicePortSpec): ServicePort {
    const { clusterIP } = PLAN[family];
    return servicePort({ family, protocol: "UDP", clusterIP, port: 53, nodePort: NODE_PORT, ...spec });
  }
  const reconcile = (argument: Partial<ReconcileArgument> & { family: IpFamily }) =>
    call<ReconcileResult>("reconcile", { current: [], previous: [], ...argument });

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const { clusterIP, endpoints, node, stranger } = PLAN[family];
    const [first, second] = endpoints;
    const destinations = async () => (await listed(family)).map((line) => line.split(" ")[1]).sort();

    test("listing shows what conntrack shows, without TCP, and with zones", async () => {
      expect(await sendAll(family)).toEqual([first, first, first]);
      const port = String(NODE_PORT);
      const toStranger = ["-s", first, "-d", stranger, "--sport", "4004", "--dport", port, "-t", "100"];
      await ns.exec(["conntrack", "-I", "-p", "udp", ...toStranger]);
      const tuple = ["-s", first, "-d", clusterIP, "--sport", "4009", "--dport", "53", "-t", "100"];
      await ns.exec(["conntrack", "-I", "-p", "udp", ...tuple, "-w", "7"]);
      await ns.exec(["conntrack", "-I", "-p", "tcp", ...tuple, "--state", "ESTABLISHED"]);
      const expected = await shown(family);
      expect(expected).toHaveLength(5);
      expect(expected.filter((line) => line.split(" ")[3] === "7")).toHaveLength(1);
      expect((await listed(family)).sort()).toEqual(expected.sort());
    });

    test("the kernel itself leaves TCP and the other family out", async () => {
      expect(await call<number>("dumpedEntries", family)).toBe((await shown(family)).length);
    });

    test("a listing that is not read to its end leaves nothing open", async () => {
      expect(await call<UdpFlow>("firstFlow", family)).toMatchObject({ family });
    });

    test("while the endpoint serves only the untranslated entry goes", async () => {
      const result = await reconcile({ family, current: [service(family, { remote: [first] })] });
      const backwards = { origSrc: clusterIP, origSrcPort: 53, origDst: first, origDstPort: 4009, zone: 7 };
      expect(result).toMatchObject({ deleted: 1, backwards: [backwards], errors: [] });
      expect((await shown(family)).filter((line) => line.split(" ")[3] === "7")).toEqual([]);
      expect(await destinations()).toEqual(
        [`${clusterIP}:53`, `${clusterIP}:53`, `${node}:${NODE_PORT}`, `${stranger}:${NODE_PORT}`].sort(),
      );
    });

    test("when it no longer serves, its flows go and then reach the other endpoint", async () => {
      await ns.exec(["nft", "-f", "-"], rules(1));
      // The trouble that all this is about: new rules alone do not move a flow.
      expect(await send(clusterIP, 53, 4001)).toBe(first);
      const result = await reconcile({ family, current: [service(family, { remote: [second] })] });
      expect(result).toEqual({ examined: 4, deleted: 3, backwards: [], errors: [] });
      expect(await destinations()).toEqual([`${stranger}:${NODE_PORT}`]);
      expect(await sendAll(family)).toEqual([second, second, second]);
    });

    test("a node port that is gone takes its flows along, and no others", async () => {
      const current = [service(family, { remote: [second], nodePort: 0 })];
      const previous = [service(family, { remote: [second] })];
      const result = await reconcile({ family, current, previous });
      expect(result).toMatchObject({ deleted: 1, errors: [] });
      expect(await destinations()).toEqual(
        [`${clusterIP}:53`, `${clusterIP}:53`, `${stranger}:${NODE_PORT}`].sort(),
      );
    });

    test("a deleted service takes all its flows along; TCP is never touched", async () => {
      const result = await reconcile({ family, previous: [service(family, { remote: [second] })] });
      expect(result).toMatchObject({ deleted: 2, errors: [] });
      expect(await destinations()).toEqual([`${stranger}:${NODE_PORT}`]);
      const argv = ["conntrack", "-L", "-p", "tcp", "-f", FAMILY_OPTION[family]];
      expect(await ns.exec(argv)).toContain(clusterIP);
      await ns.exec(["nft", "-f", "-"], rules(0));
    });

    test("an entry with the tuple but another id or zone is left alone", async () => {
      await send(clusterIP, 53, 4005);
      const [flow] = (await call<UdpFlow[]>("flows", family)).filter(({ origDst }) => origDst === clusterIP);
      if (flow === undefined) throw new Error("no flow to the service");
      const others = [
        { ...flow, id: (flow.id ^ 1) >>> 0 },
        { ...flow, zone: 7 },
      ];
      expect(await call<DeleteResult>("deleteFlows", others)).toEqual({ deleted: 0, gone: 2, errors: [] });
      expect(await destinations()).toContain(`${clusterIP}:53`);
      expect(await call<DeleteResult>("deleteFlows", [flow])).toEqual({ deleted: 1, gone: 0, errors: [] });
      expect(await destinations()).not.toContain(`${clusterIP}:53`);
    });

    test("an answer that comes after its flow was deleted keeps the client past the rules, until its own is", async () => {
      const client = { op: "probe", protocol: "UDP", count: 1, timeoutMs: 4_000 } as const;
      const there = { ...client, host: node, port: NODE_PORT, source: first, sourcePort: 4100 };
      const back = { ...client, host: first, port: 4100, source: node, sourcePort: NODE_PORT };
      // Before the Service is there: nobody listens, and an entry is made all the same.
      await ns.exec(["nft", "-f", "-"], rules());
      expect(await ns.ask(there)).toEqual(["refused"]);
      await ns.exec(["nft", "-f", "-"], rules(0));
      const result = await reconcile({ family, current: [service(family, { remote: [first] })] });
      expect(result).toMatchObject({ deleted: 1, errors: [] });
      expect(result.backwards).toMatchObject([
        { origSrc: node, origSrcPort: NODE_PORT, origDst: first, origDstPort: 4100 },
      ]);
      expect(await ns.ask(back)).toEqual(["refused"]);
      // The trouble: what the client sends is an answer by now, which no rule for destinations looks at.
      expect(await ns.ask(there)).toEqual(["refused"]);
      const deletion = await call<DeleteResult>("deleteFlows", result.backwards);
      expect(deletion).toEqual({ deleted: 1, gone: 0, errors: [] });
      expect(await ns.ask(there)).toEqual([{ answeredBy: first, seenSource: first }]);
      expect(await call<DeleteResult>("deleteFlows", result.backwards)).toMatchObject({
        deleted: 0,
        gone: 1,
      });
      await ns.exec(["conntrack", "-D", "-p", "udp", "-f", FAMILY_OPTION[family], "--sport", "4100"]);
    });

    test("thousands of stale flows go in one run", async () => {
      const probe = { op: "probe", protocol: "UDP", host: clusterIP, port: 53, timeoutMs: 10_000 } as const;
      await ns.ask({ ...probe, count: 3000 });
      const result = await reconcile({ family, current: [service(family, {})] });
      // A few probes share a source port.
      expect(result.deleted).toBeGreaterThan(2000);
      expect(result).toMatchObject({ examined: result.deleted + 1, errors: [] });
      expect(await destinations()).toEqual([`${stranger}:${NODE_PORT}`]);
    });
  });
});

describe.skipIf(missing)(`netlink in the kernel${missing ? ` (skipped: ${missing})` : ""}`, () => {
  test("replies that overflow the receive buffer are reported as lost", async () => {
    const ns = await Namespace.create("flood");
    try {
      const flood = async (argument: { count: number; receiveBufferBytes: number }) =>
        JSON.parse(await ns.exec([nodeProgram(), CALLS, "flood", JSON.stringify(argument)]));
      const [EINVAL, ENOBUFS] = [22, 105];
      expect(await flood({ count: 4000, receiveBufferBytes: 8 << 20 })).toEqual({ [EINVAL]: 4000 });
      const lossy = await flood({ count: 4000, receiveBufferBytes: 64 << 10 });
      expect(lossy[EINVAL]).toBeGreaterThan(0);
      expect(lossy[EINVAL] + lossy[ENOBUFS]).toBe(4000);
    } finally {
      await ns.dispose();
    }
  });
});
