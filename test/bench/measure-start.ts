/** Measures how long the proxy takes to program a cluster it has never seen, and one that is in place already. */
import { setTimeout as delay } from "node:timers/promises";
import type { TrafficResult } from "./agents/traffic.ts";
import type { BenchService } from "./cluster.ts";
import type { Network } from "./network.ts";
import { cpuUsage, memoryUsage } from "./process-usage.ts";
import type { MeasuredProxy } from "./proxy.ts";
import type { RestartResult, StartResult } from "./results.ts";
import { phasesBetween, type Scrape, sumOf } from "./scrape.ts";

const TIMEOUT_MS = 300_000;
/** Lets what the first round left to be collected be collected, as on any node. */
const SETTLE_MS = 1_000;
const SAMPLE = 50;

/** Services spread over the list; the first and the last are among them. */
export function sampleOf(services: readonly BenchService[], count = SAMPLE): readonly BenchService[] {
  const step = (services.length - 1) / Math.max(1, count - 1);
  const indexes = new Set(Array.from({ length: count }, (_, i) => Math.round(i * step)));
  return [...indexes].map((index) => services[index]!);
}

export async function measureStart(
  network: Network,
  proxy: MeasuredProxy,
  services: readonly BenchService[],
): Promise<StartResult> {
  const hosts = sampleOf(services).map(({ clusterIP }) => clusterIP);
  const answers = network.client.call("untilAllAnswer", hosts);
  const answered = (await proxy.orFail(answers, "every Service to answer", TIMEOUT_MS)).map(
    (atMs) => atMs - proxy.startedMs,
  );
  const syncedMs = await proxy.orFail(proxy.untilSynced(), "both families to be programmed", TIMEOUT_MS);
  return {
    firstMs: Math.min(...answered),
    lastInOrderMs: answered.at(-1)!,
    allMs: Math.max(...answered),
    ...(await measureSynced(proxy, syncedMs)),
  };
}

/**
 * The same where a client that tries Services all the time would take the processor from the proxy: the start is over
 * when the proxy says so, and only then all have to answer.
 */
export async function measureProgrammed(
  network: Network,
  proxy: MeasuredProxy,
  services: readonly BenchService[],
): Promise<StartResult> {
  const syncedMs = await proxy.orFail(proxy.untilSynced(), "both families to be programmed", TIMEOUT_MS);
  const result = await measureSynced(proxy, syncedMs);
  const hosts = sampleOf(services).map(({ clusterIP }) => clusterIP);
  const silent = await network.client.call("silentAmong", hosts);
  if (silent.length > 0) throw new Error(`programmed, but silent: ${silent.join(", ")}`);
  return { firstMs: undefined, lastInOrderMs: undefined, allMs: syncedMs, ...result };
}

async function measureSynced(
  proxy: MeasuredProxy,
  syncedMs: number,
): Promise<Omit<StartResult, "firstMs" | "lastInOrderMs" | "allMs">> {
  const cpu = cpuUsage(proxy.pid);
  await delay(SETTLE_MS);
  const scrape = await proxy.scrape();
  return {
    syncedMs,
    cpu,
    memory: memoryUsage(proxy.pid),
    phases: phasesBetween(new Map(), scrape),
    milestones: proxy.milestones(),
    rules: sumOf(scrape, "kubeproxy_sync_proxy_rules_iptables_total", "IPv4"),
    written: writtenIn(scrape),
  };
}

/** What the process has written since its start. */
function writtenIn(scrape: Scrape): number {
  const written = "kpts_kernel_objects_written_total";
  if (![...scrape.keys()].some((series) => series.startsWith(written)))
    throw new Error(`the proxy does not say what it wrote (${written})`);
  return sumOf(scrape, written);
}

/** Restarts the proxy under traffic: connections through some Services that last, and new ones all the time. */
export async function measureTraffic(
  network: Network,
  proxy: MeasuredProxy,
  services: readonly BenchService[],
  startProxy: () => Promise<MeasuredProxy>,
): Promise<{ proxy: MeasuredProxy; traffic: TrafficResult }> {
  const hosts = sampleOf(services).map(({ clusterIP }) => clusterIP);
  await network.client.call("beginTraffic", hosts);
  await proxy.stop();
  const next = await startProxy();
  await next.orFail(next.untilSynced(), "both families to be programmed", TIMEOUT_MS);
  await delay(SETTLE_MS);
  return { proxy: next, traffic: await network.client.call("endTraffic") };
}

/** The kernel has all rules: the proxy only has to find that out. */
export async function measureRestart(proxy: MeasuredProxy): Promise<RestartResult> {
  const syncedMs = await proxy.orFail(proxy.untilSynced(), "both families to be programmed", TIMEOUT_MS);
  const cpu = cpuUsage(proxy.pid);
  const scrape = await proxy.scrape();
  return {
    syncedMs,
    cpu,
    written: writtenIn(scrape),
    milestones: proxy.milestones(),
    phases: phasesBetween(new Map(), scrape),
    memory: memoryUsage(proxy.pid),
  };
}

/** CPU milliseconds per second while nothing happens. */
export async function measureIdle(proxy: MeasuredProxy, idleMs: number): Promise<number> {
  const before = cpuUsage(proxy.pid);
  await delay(idleMs);
  const after = cpuUsage(proxy.pid);
  return (after.ownMs + after.childrenMs - before.ownMs - before.childrenMs) / (idleMs / 1000);
}
