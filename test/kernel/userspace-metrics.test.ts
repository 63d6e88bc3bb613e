/** Traffic of userspace mode, as told at the metrics port. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestServer, TestSocket } from "../support/relay/sockets.ts";
import { MEMBERS, type MemberName, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import { PROXY_KINDS } from "../support/testbed/suite.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";
import { parseExposition } from "../unit/metrics/exposition.ts";

const kind = PROXY_KINDS.find(({ mode }) => mode === "userspace");
const missing = kind === undefined ? "userspace mode is not tested here" : missingForTestbed(kind.needs);

/** The relay is asked once a second at most. */
const READING_MS = 1_100;
const CONNECTIONS = 24;
const NODE_PORT = 30_080;

/** Name, number, target port and endpoints. */
const SERVICES = [
  // All pods serve there.
  ["web", 10, 8080, ["p1"]],
  // Only p1 does.
  ["half", 11, 8081, ["p1", "p2"]],
  // Nobody does.
  ["broken", 12, 8082, ["p1"]],
  // Only the test of what is under way does.
  ["held", 13, 8083, ["p1"]],
] as const satisfies (readonly [string, number, number, readonly PodName[]])[];

type ServiceName = (typeof SERVICES)[number][0];

const clusterIP = (number: number) => ({ IPv4: `10.96.0.${number}`, IPv6: `fd00:10:96::${number}` });

function objects(): object[] {
  return SERVICES.flatMap(([name, number, targetPort, pods]) => {
    const port = { port: 80, targetPort, ...(name === "web" && { nodePort: NODE_PORT }) };
    return serviceObjects({
      name,
      clusterIP: clusterIP(number),
      ports: [
        { ...port, name: "tcp", protocol: "TCP" },
        { ...port, name: "udp", protocol: "UDP" },
      ],
      endpoints: pods.map((pod) => ({ pod })),
      ...(name === "web" && { spec: { type: "NodePort" } }),
    });
  });
}

const at = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

describe.skipIf(missing)(`metrics of userspace mode${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let bed: Testbed;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
    await bed.serve("p1", { ports: [8081] });
    await bed.startProxy({ mode: "userspace", ...kind?.options, objects: objects() });
    // All service ports get series of their own.
    await scrape();
  });
  afterAll(() => bed?.dispose());

  async function scrape(): Promise<ReadonlyMap<string, number>> {
    await delay(READING_MS);
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/metrics");
    return parseExposition(body);
  }

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const host = (name: ServiceName): string =>
      clusterIP(SERVICES.find(([each]) => each === name)?.[1] ?? 0)[family];

    /** Connects, and returns what everybody was answered, or how it failed. */
    async function connect(
      from: MemberName,
      to: { readonly host: string; readonly port?: number; readonly protocol?: "TCP" | "UDP" },
    ): Promise<readonly string[]> {
      const outcomes = await bed.probe({ from, port: 80, protocol: "TCP", count: CONNECTIONS, ...to });
      return outcomes.map((outcome) =>
        typeof outcome === "object" ? `${outcome.answeredBy} ${outcome.seenSource}\n` : outcome,
      );
    }

    /** What was added to the series of a metric that have these labels, while something happened. */
    async function added(
      work: () => Promise<unknown>,
    ): Promise<(metric: string, labels?: Record<string, string>) => number> {
      const before = await scrape();
      await work();
      const after = await scrape();
      return (metric, labels = {}) => sumOf(after, metric, labels) - sumOf(before, metric, labels);
    }

    function sumOf(
      samples: ReadonlyMap<string, number>,
      metric: string,
      labels: Record<string, string>,
    ): number {
      const wanted = Object.entries({ ip_family: family, ...labels }).map(
        ([name, value]) => `${name}="${value}"`,
      );
      return [...samples]
        .filter(
          ([series]) => series.startsWith(`${metric}{`) && wanted.every((label) => series.includes(label)),
        )
        .reduce((total, [, value]) => total + value, 0);
    }

    const endpoint = (pod: PodName, port: number): string => at(MEMBERS[pod].address[family], port);

    it("counts connections and bytes, whichever way clients took", async () => {
      const answers: string[] = [];
      const of = await added(async () => {
        answers.push(...(await connect("p3", { host: host("web") })));
        answers.push(...(await connect("x", { host: MEMBERS.node.address[family], port: NODE_PORT })));
      });
      expect(answers.every((answer) => answer.startsWith("p1 "))).toBe(true);
      const port = { service: "web", port: "tcp", protocol: "TCP" };
      const p1 = { ...port, endpoint: endpoint("p1", 8080) };
      expect(of("kubeproxy_service_connections_total", port)).toBe(2 * CONNECTIONS);
      expect(of("kpts_relay_connections_total", p1)).toBe(2 * CONNECTIONS);
      expect(of("kpts_relay_bytes_total", { ...p1, direction: "to_client" })).toBe(answers.join("").length);
      expect(of("kpts_relay_bytes_total", { ...p1, direction: "to_endpoint" })).toBe(0);
      expect(of("kpts_relay_dial_seconds_count", port)).toBe(2 * CONNECTIONS);
      expect(of("kpts_relay_dial_seconds_sum", port)).toBeGreaterThan(0);
      expect(of("kpts_relay_failures_total", port)).toBe(0);
      expect(of("kpts_relay_unserved_total")).toBe(0);
    });

    it("counts UDP clients and the bytes of their packets", async () => {
      const answers: string[] = [];
      const of = await added(async () =>
        answers.push(...(await connect("p3", { host: host("web"), protocol: "UDP" }))),
      );
      expect(answers.every((answer) => answer.startsWith("p1 "))).toBe(true);
      const p1 = { service: "web", protocol: "UDP", endpoint: endpoint("p1", 8080) };
      expect(of("kpts_relay_connections_total", p1)).toBe(CONNECTIONS);
      expect(of("kpts_relay_bytes_total", { ...p1, direction: "to_endpoint" })).toBe(2 * CONNECTIONS);
      expect(of("kpts_relay_bytes_total", { ...p1, direction: "to_client" })).toBe(answers.join("").length);
      expect(of("kubeproxy_service_connections_total", { service: "web", port: "udp" })).toBe(CONNECTIONS);
    });

    it("counts the failures of an endpoint that refuses, though all clients were served", async () => {
      const answers: string[] = [];
      const of = await added(async () => answers.push(...(await connect("p3", { host: host("half") }))));
      expect(answers.every((answer) => answer.startsWith("p1 "))).toBe(true);
      const tcp = { service: "half", protocol: "TCP" };
      expect(of("kpts_relay_connections_total", { ...tcp, endpoint: endpoint("p1", 8081) })).toBe(
        CONNECTIONS,
      );
      const p2 = { ...tcp, endpoint: endpoint("p2", 8081) };
      expect(of("kpts_relay_connections_total", p2)).toBe(0);
      expect(of("kpts_relay_failures_total", { ...p2, reason: "refused" })).toBeGreaterThan(0);
      expect(of("kpts_relay_unserved_total", tcp)).toBe(0);
    });

    it("counts clients that nobody served", async () => {
      const answers: string[] = [];
      const of = await added(async () => answers.push(...(await connect("p3", { host: host("broken") }))));
      expect(answers.filter((answer) => answer.startsWith("p1 "))).toEqual([]);
      const tcp = { service: "broken", protocol: "TCP" };
      expect(of("kpts_relay_unserved_total", { ...tcp, reason: "refused" })).toBe(CONNECTIONS);
      expect(of("kpts_relay_failures_total", { ...tcp, endpoint: endpoint("p1", 8082) })).toBe(CONNECTIONS);
      expect(of("kubeproxy_service_connections_total", tcp)).toBe(0);
    });

    it("tells what is under way, and who reset it", async () => {
      const held = { service: "held", endpoint: endpoint("p1", 8083) };
      using server = new TestServer(bed.at("p1"), endpoint("p1", 8083));
      using client = await TestSocket.connect(bed.at("p3"), at(host("held"), 80));
      using accepted = await server.accept();
      await client.send("request");
      await accepted.readBytes(7);
      const during = await scrape();
      expect(sumOf(during, "kpts_relay_connections", held)).toBe(1);
      expect(sumOf(during, "kpts_relay_clients", { protocol: "TCP" })).toBeGreaterThan(0);
      expect(sumOf(during, "kpts_relay_bytes_total", { ...held, direction: "to_endpoint" })).toBe(7);
      accepted.reset();
      await client.readAll();
      const after = await scrape();
      expect(sumOf(after, "kpts_relay_connections", held)).toBe(0);
      expect(sumOf(after, "kpts_relay_resets_total", { ...held, by: "endpoint" })).toBe(1);
    });

    it("tells of the relay as a whole", async () => {
      const samples = await scrape();
      const all = (name: string) => sumOf(samples, `kpts_relay_${name}_total`, {});
      expect(all("starts")).toBe(1);
      expect(["refused_by_limit", "evicted", "internal_errors", "out_of_descriptors"].map(all)).toEqual([
        0, 0, 0, 0,
      ]);
    });
  });
});
