/** Measures what one change costs on a proxy that has nothing else to do. */
import { setTimeout as delay } from "node:timers/promises";
import type { Sighting } from "./agents/client.ts";
import type { BenchService, Cluster } from "./cluster.ts";
import type { Network } from "./network.ts";
import { cpuSince, cpuUsage, memoryUsage } from "./process-usage.ts";
import type { MeasuredProxy } from "./proxy.ts";
import type { ChangesResult, Detection, ServicesResult } from "./results.ts";
import { phasesBetween, sumOf } from "./scrape.ts";
import { mean, quantile } from "./stats.ts";

/** More than the default least time between two rounds, which is a second. */
const SPACING_MS = 1_100;
const TIMEOUT_MS = 60_000;
const DETECTION_TRIALS = 100;

/**
 * Connections under way while waiting for an endpoint. A Service picks its endpoints at random, so noticing one takes
 * several connections; more at a time would take the processor away from what is measured.
 */
const PARALLEL = 3;

/** Replaces one endpoint at a time, of Services spread over the whole list, and waits until the newcomer answers. */
export async function measureEndpointChanges(
  network: Network,
  proxy: MeasuredProxy,
  cluster: Cluster,
  changes: number,
): Promise<ChangesResult> {
  const detection = await measureDetection(network, cluster);
  const latenciesMs: number[] = [];
  const scrapeBefore = await proxy.scrape();
  const cpuBefore = cpuUsage(proxy.pid);
  for (let i = 0; i < changes; i++) {
    await delay(SPACING_MS);
    latenciesMs.push(await changeOne(network, proxy, cluster, (i + 0.5) / changes, i));
  }
  const cpu = cpuSince(proxy.pid, cpuBefore);
  // The round is over a little after its rules are in force.
  await delay(SPACING_MS / 2);
  const scrape = await proxy.scrape();
  const phases = Object.entries(phasesBetween(scrapeBefore, scrape));
  const difference = (metric: string): number =>
    sumOf(scrape, metric, "IPv4") - sumOf(scrapeBefore, metric, "IPv4");
  return {
    latenciesMs,
    cpu: { ownMs: cpu.ownMs / changes, childrenMs: cpu.childrenMs / changes },
    phases: Object.fromEntries(phases.map(([phase, ms]) => [phase, ms / changes])),
    rounds: difference("kubeproxy_sync_proxy_rules_duration_seconds_count") / changes,
    eventToKernelMs:
      (difference("kpts_event_to_kernel_seconds_sum") / difference("kpts_event_to_kernel_seconds_count")) *
      1000,
    detection,
    memory: memoryUsage(proxy.pid),
  };
}

/** `place` (0 to 1) says which Service of the list, `round` which of its endpoints. Returns the latency. */
async function changeOne(
  network: Network,
  proxy: MeasuredProxy,
  cluster: Cluster,
  place: number,
  round: number,
): Promise<number> {
  const index = Math.floor(place * cluster.services.length);
  const before = cluster.services[index]!;
  const { service, newcomer } = cluster.replaceEndpoint(index, round % before.endpoints.length);
  const sighting = network.client.call("untilAnsweredBy", {
    host: service.clusterIP,
    pods: [newcomer],
    known: before.endpoints,
    parallel: PARALLEL,
  });
  const putMs = await network.api.call("put", { service, isNew: false });
  const { atMs, strangers } = await proxy.orFail(sighting, `${newcomer} to answer`, TIMEOUT_MS);
  if (strangers.length > 0) throw new Error(`${service.clusterIP} was answered by ${strangers.join(", ")}`);
  return atMs - putMs;
}

/** How long the same wait takes when the endpoint is in place already, from the same client on the same Services. */
async function measureDetection(network: Network, cluster: Cluster): Promise<Detection> {
  const sightings: Sighting[] = [];
  for (let i = 0; i < DETECTION_TRIALS; i++) {
    const service = cluster.services[Math.floor(((i + 0.5) / DETECTION_TRIALS) * cluster.services.length)]!;
    const pod = service.endpoints[i % service.endpoints.length]!;
    const wanted = { host: service.clusterIP, pods: [pod], known: service.endpoints, parallel: PARALLEL };
    sightings.push(await network.client.call("untilAnsweredBy", wanted));
  }
  const times = sightings.map(({ startedMs, atMs }) => atMs - startedMs);
  return {
    meanMs: mean(times),
    p95Ms: quantile(times, 0.95),
    connections: mean(sightings.map(({ connections }) => connections)),
  };
}

/** Adds Services and takes them away again, one at a time. */
export async function measureServices(
  network: Network,
  proxy: MeasuredProxy,
  cluster: Cluster,
  count: number,
): Promise<ServicesResult> {
  const addedMs: number[] = [];
  const removedMs: number[] = [];
  for (let i = 0; i < count; i++) {
    await delay(SPACING_MS);
    const service = cluster.addService();
    const wanted = { host: service.clusterIP, pods: service.endpoints, known: [], parallel: 1 };
    const sighting = network.client.call("untilAnsweredBy", wanted);
    const putMs = await network.api.call("put", { service, isNew: true });
    addedMs.push((await proxy.orFail(sighting, "a new Service to answer", TIMEOUT_MS)).atMs - putMs);
  }
  for (let i = 0; i < count; i++) {
    await delay(SPACING_MS);
    const service = cluster.removeService();
    const silence = network.client.call("untilSilent", service.clusterIP);
    const removedAtMs = await network.api.call("remove", service.index);
    removedMs.push(
      (await proxy.orFail(silence, "a removed Service to fall silent", TIMEOUT_MS)) - removedAtMs,
    );
  }
  return { addedMs, removedMs };
}

/** Throws unless each of these Services is answered by its own endpoints, and by more than one where it has more. */
export async function checkAnswers(network: Network, services: readonly BenchService[]): Promise<void> {
  for (const { clusterIP: host, endpoints } of services) {
    const answers = await network.client.call("answers", { host, count: 8 * endpoints.length });
    const pods = new Set(answers);
    const wrong = [...pods].filter((pod) => !endpoints.includes(pod));
    if (wrong.length > 0)
      throw new Error(`${host} was answered by ${wrong.map((pod) => pod || "nobody").join(", ")}`);
    if (pods.size === 1 && endpoints.length > 1)
      throw new Error(`${host} is always answered by ${[...pods]}`);
  }
}
