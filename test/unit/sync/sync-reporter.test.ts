/** What metrics, health, events and logs say, with the real loop and backend on a rule set in memory. */
import { once } from "node:events";
import { get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProxyEvent } from "../../../src/events/recorder.ts";
import { ProxyHealth } from "../../../src/health/proxy-health.ts";
import { ServiceHealthServers } from "../../../src/health/service-health.ts";
import type { UdpFlow } from "../../../src/kernel/conntrack.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";
import type { ServicePort } from "../../../src/model/types.ts";
import { FamilyLoop } from "../../../src/sync/family-loop.ts";
import { FlowCleaner } from "../../../src/sync/flow-cleaner.ts";
import { SyncReporter } from "../../../src/sync/sync-reporter.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { servicePort } from "../../support/service-port.ts";
import { lockTimeout, startBackend, type TestKernel } from "../backends/iptables-backend/harness.ts";
import { parseExposition } from "../metrics/exposition.ts";
import { FakeClock } from "./fake-clock.ts";

const SYNC_MS = 30_000;
const BAD = "10.9.9.9";
const P = "kubeproxy_sync_proxy_rules";
const IPv4 = '{ip_family="IPv4"}';

let clock: FakeClock;
let kernel: TestKernel;
let health: ProxyHealth;
let metrics: ProxyMetrics;
let servers: ServiceHealthServers;
let loop: FamilyLoop;
let log: LogCapture;
const events: ProxyEvent[] = [];
const flows: UdpFlow[] = [];
const services = new Map<string, readonly ServicePort[]>();

beforeEach(async () => {
  clock = new FakeClock();
  log = new LogCapture();
  const now = (): number => clock.now();
  health = new ProxyHealth({ timeoutMs: 2 * SYNC_MS, now });
  metrics = new ProxyMetrics({ mode: "iptables", families: ["IPv4", "IPv6"], now });
  servers = new ServiceHealthServers({
    family: "IPv4",
    addresses: () => ["127.0.0.1"],
    isHealthy: () => health.report().healthy,
    onListenFailure: () => {},
    logger: log.logger,
  });
  events.length = 0;
  flows.length = 0;
  services.clear();
  const made = await startBackend();
  kernel = made.kernel;
  kernel.refuses = (line) => line.includes(BAD);
  const observer = new SyncReporter({
    metrics,
    health,
    serviceHealth: servers,
    events: { record: (event) => events.push(event), stop: async () => {} },
    flows: new FlowCleaner({
      flows: {
        async *list() {
          yield* [...flows];
        },
        async delete(stale) {
          for (const flow of stale) flows.splice(flows.indexOf(flow as UdpFlow), 1);
          return { deleted: stale.length, gone: 0, errors: [] };
        },
      },
      localAddresses: async () => ["192.0.2.1"],
      ownUdpPorts: () => new Set<number>(),
      metrics,
      clock,
      logger: log.logger,
    }),
    logger: log.logger,
  });
  loop = new FamilyLoop({
    backend: made.backend,
    resolve: (key) => services.get(key) ?? [],
    keys: () => services.keys(),
    minSyncPeriodMs: 1_000,
    burst: 1,
    syncPeriodMs: SYNC_MS,
    fullPassPeriodMs: 100 * SYNC_MS,
    observer,
    logger: log.logger,
    clock,
  });
});

afterEach(async () => {
  await loop.stop();
  await servers.close();
});

async function start(): Promise<void> {
  loop.start();
  await clock.advance(10_000);
}

/** A Service appears or changes, and the loop does what it does at once. */
async function change(
  key: string,
  spec: Parameters<typeof servicePort>[0],
  triggerTimeMs?: number,
): Promise<void> {
  services.set(key, [servicePort({ key, ...spec })]);
  loop.changed(key, triggerTimeMs === undefined ? { what: "service" } : { what: "endpoints", triggerTimeMs });
  await clock.advance(0);
}

async function sample(series: string): Promise<number | undefined> {
  return parseExposition(await metrics.render()).get(series);
}

async function samples(...series: string[]): Promise<(number | undefined)[]> {
  const found = parseExposition(await metrics.render());
  return series.map((name) => found.get(name));
}

const LAST = `${P}_last_timestamp_seconds${IPv4}`;
const QUEUED = `${P}_last_queued_timestamp_seconds${IPv4}`;
const FAILED = `${P}_iptables_restore_failures_total${IPv4}`;
const PARTIAL_FAILED = `${P}_iptables_partial_restore_failures_total${IPv4}`;
const TOOK = `${P}_duration_seconds_count${IPv4}`;
const REFUSED = `kpts_refused_services${IPv4}`;
const ISOLATING = `kpts_isolating_syncs_total${IPv4}`;

describe("metrics", () => {
  test("a fresh start has every histogram, empty, and a time stamp after its first sync", async () => {
    const latency = "kubeproxy_network_programming_duration_seconds_count";
    expect(await samples(TOOK, `${latency}${IPv4}`, `${latency}{ip_family="IPv6"}`)).toEqual([0, 0, 0]);
    expect(await sample(LAST)).toBe(0);
    await start();
    expect(await samples(LAST, QUEUED, TOOK)).toEqual([1_000, 1_000, 1]);
  });

  test("a slice triggered 3 s ago is one observation, once the rules are in the kernel", async () => {
    await start();
    const bucket = (le: string): string =>
      `kubeproxy_network_programming_duration_seconds_bucket{le="${le}",ip_family="IPv4"}`;
    kernel.failures.push(lockTimeout(), lockTimeout());
    await change("ns/a", { local: ["10.1.0.1"] }, clock.now() - 2_000);
    expect(await sample(bucket("+Inf"))).toBe(0);
    await clock.advance(1_000);
    expect(await samples(bucket("2"), bucket("3"), bucket("4"), bucket("+Inf"))).toEqual([0, 1, 1, 1]);
    await change("ns/a", { local: ["10.1.0.2"] }, clock.now() - 60_000);
    await clock.advance(SYNC_MS);
    expect(await sample(bucket("+Inf"))).toBe(1);
  });

  test("a failed sync counts and takes time; the last success stays, the last request moves on", async () => {
    await start();
    kernel.failures.push(lockTimeout(), lockTimeout());
    const atSeconds = clock.now() / 1_000;
    await change("ns/a", { local: ["10.1.0.1"] });
    expect(await samples(FAILED, PARTIAL_FAILED, TOOK, LAST, QUEUED)).toEqual([2, 1, 3, 1_000, atSeconds]);
    await clock.advance(1_000);
    expect(await samples(FAILED, PARTIAL_FAILED, TOOK, LAST)).toEqual([2, 1, 4, atSeconds + 1]);
    expect(log.matching("sync failed; everything stays pending")).toHaveLength(2);
  });

  test("rules are counted by table", async () => {
    await start();
    const before = await sample(`${P}_iptables_total{ip_family="IPv4",table="nat"}`);
    await change("ns/a", { local: ["10.1.0.1", "10.1.0.2"] });
    expect(
      await samples(
        `${P}_iptables_total{ip_family="IPv4",table="nat"}`,
        `${P}_iptables_last{ip_family="IPv4",table="nat"}`,
      ),
    ).toEqual([before! + 8, 8]);
  });

  test("a repair counts once", async () => {
    await start();
    await kernel.restore("*nat\nCOMMIT\n", { noflush: false });
    await clock.advance(2 * SYNC_MS);
    expect(await sample(`kpts_drift_repairs_total${IPv4}`)).toBe(1);
    expect(log.matching("repaired")).toHaveLength(1);
  });

  test("waiting changes and Services without local endpoints", async () => {
    loop.changed("ns/x", { what: "endpoints" });
    expect(await samples(`${P}_service_changes_pending`, `${P}_endpoint_changes_pending`)).toEqual([1, 1]);
    await start();
    await change("ns/a", { remote: ["10.2.0.1"], internalPolicyLocal: true });
    const none = (policy: string): string =>
      `${P}_no_local_endpoints_total{ip_family="IPv4",traffic_policy="${policy}"}`;
    expect(await samples(`${P}_service_changes_pending`, none("internal"), none("external"))).toEqual([
      0, 1, 0,
    ]);
  });
});

describe("a refused Service", () => {
  test("is one event and one log line, however often syncs go on without it", async () => {
    await start();
    await change("ns/bad", { clusterIP: "172.30.0.9", local: [BAD] });
    await clock.advance(1_000);
    await change("ns/good", { local: ["10.1.0.1"] });
    await clock.advance(1_000);
    await change("ns/good", { local: ["10.1.0.2"] });
    expect(events).toEqual([
      {
        regarding: { kind: "Service", namespace: "ns", name: "bad" },
        type: "Warning",
        reason: "KubeProxyRulesRefused",
        action: "Sync",
        note: "IPv4: refused",
      },
    ]);
    expect(log.matching("this Service was refused")).toHaveLength(1);
    expect(kernel.dump()).toContain("10.1.0.2");
  });

  test("is counted while it lasts; rounds and failures only when something was refused", async () => {
    await start();
    await change("ns/bad", { clusterIP: "172.30.0.9", local: [BAD] });
    expect(await samples(REFUSED, ISOLATING, FAILED, PARTIAL_FAILED)).toEqual([1, 1, 2, 1]);
    await clock.advance(1_000);
    await change("ns/good", { local: ["10.1.0.1"] });
    expect(await samples(REFUSED, ISOLATING, FAILED, PARTIAL_FAILED)).toEqual([1, 1, 2, 1]);
    await clock.advance(1_000);
    await change("ns/bad", { clusterIP: "172.30.0.9", local: ["10.1.0.9"] });
    expect(await samples(REFUSED, ISOLATING, FAILED)).toEqual([0, 1, 2]);
    expect(log.matching("accepted again")).toMatchObject([{ service: "ns/bad" }]);
  });

  test("is told of again when it was accepted between", async () => {
    await start();
    for (const ip of [BAD, "10.1.0.9", BAD]) {
      await change("ns/bad", { clusterIP: "172.30.0.9", local: [ip] });
      await clock.advance(1_000);
    }
    expect(events).toHaveLength(2);
  });

  test("is tried again before long, in case it was not its fault", async () => {
    await start();
    await change("ns/bad", { clusterIP: "172.30.0.9", local: [BAD] });
    kernel.refuses = () => false;
    await clock.advance(2 * SYNC_MS);
    expect(kernel.dump()).toContain(BAD);
    expect(await sample(REFUSED)).toBe(0);
  });
});

describe("health", () => {
  test("a sync that goes on failing is unhealthy after two sync periods, and a success ends that", async () => {
    await start();
    expect(health.report().healthy).toBe(true);
    kernel.failures.push(...Array.from({ length: 100 }, lockTimeout));
    await change("ns/a", { local: ["10.1.0.1"] });
    await clock.advance(2 * SYNC_MS - 1);
    expect(health.report().healthy).toBe(true);
    await clock.advance(1);
    expect(health.report().healthy).toBe(false);
    kernel.failures.length = 0;
    await clock.advance(SYNC_MS);
    expect(health.report().healthy).toBe(true);
  });

  test("so is a repair that goes on failing", async () => {
    await start();
    await kernel.restore("*nat\nCOMMIT\n", { noflush: false });
    kernel.failures.push(...Array.from({ length: 100 }, lockTimeout));
    await clock.advance(4 * SYNC_MS);
    expect(health.report().healthy).toBe(false);
  });
});

describe("after the rules", () => {
  const UDP: UdpFlow = {
    origSrc: "10.1.0.7",
    origSrcPort: 40_000,
    origDst: "172.30.0.41",
    origDstPort: 80,
    replySrc: "10.1.0.1",
    replySrcPort: 80,
  } as UdpFlow;

  test("UDP flows to endpoints that are gone are forgotten, not before the kernel has the new rules", async () => {
    await start();
    await change("ns/a", { protocol: "UDP", local: ["10.1.0.1", "10.1.0.2"] });
    flows.push(UDP, { ...UDP, origSrcPort: 40_001, replySrc: "10.1.0.2" });
    await clock.advance(1_000);
    kernel.failures.push(lockTimeout(), lockTimeout());
    await change("ns/a", { protocol: "UDP", local: ["10.1.0.2"] });
    expect(flows).toHaveLength(2);
    await clock.advance(1_000);
    expect(flows.map(({ replySrc }) => replySrc)).toEqual(["10.1.0.2"]);
    expect(await sample(`kubeproxy_conntrack_reconciler_deleted_entries_total${IPv4}`)).toBe(1);
  });

  test("a change of a TCP Service does not look at flows", async () => {
    await start();
    await change("ns/a", { local: ["10.1.0.1"] });
    expect(await sample(`kubeproxy_conntrack_reconciler_sync_duration_seconds_count${IPv4}`)).toBe(0);
  });

  test("health-check servers follow the Service", async () => {
    await start();
    const port = await freePort();
    const spec = { externalPolicyLocal: true, loadBalancerIPs: ["203.0.113.1"], healthCheckNodePort: port };
    await change("ns/a", { ...spec, local: ["10.1.0.1"] });
    await log.until("synced", 2);
    await expect.poll(() => statusOf(port)).toBe(200);
    await clock.advance(1_000);
    await change("ns/a", { ...spec, remote: ["10.2.0.1"] });
    await expect.poll(() => statusOf(port)).toBe(503);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function statusOf(port: number): Promise<number | string | undefined> {
  return new Promise((resolve) => {
    get({ port, host: "127.0.0.1", agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", (error) => resolve(error.message));
  });
}
