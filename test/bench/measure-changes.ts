/** Measures what one change costs on a proxy that has nothing else to do. */
import { setTimeout as delay } from "node:timers/promises";
import { monotonicMs } from "./agents/clock.ts";
import { type BenchService, type Cluster, POD_PORT } from "./cluster.ts";
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

/** Replaces one endpoint at a time, of Services spread over the whole list, and waits until the newcomer answers. */
export async function measureEndpointChanges(
  network: Network,
  proxy: MeasuredProxy,
  cluster: Cluster,
  changes: number,
): Promise<ChangesResult> {
  const detection = await measureDetection(network, proxy, cluster);
  const latenciesMs: number[] = [];
  const scrapeBefore = await proxy.scrape();
  const cpuBefore = cpuUsage(proxy.pid);
  const startedMs = monotonicMs();
  for (let i = 0; i < changes; i++) {
    await delay(SPACING_MS);
    latenciesMs.push(await changeOne(network, proxy, cluster, (i + 0.5) / changes, i));
  }
  const cpu = cpuSince(proxy.pid, cpuBefore);
  const elapsedMs = (monotonicMs() - startedMs) / changes;
  // The round is over a little after its rules are in force.
  await delay(SPACING_MS / 2);
  const scrape = await proxy.scrape();
  const phases = Object.entries(phasesBetween(scrapeBefore, scrape));
  const difference = (metric: string): number =>
    sumOf(scrape, metric, "IPv4") - sumOf(scrapeBefore, metric, "IPv4");
  return {
    latenciesMs,
    elapsedMs,
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
  const { atMs, causedMs } = await sight(network, proxy, {
    host: service.clusterIP,
    awaited: [newcomer],
    known: before.endpoints,
    cause: () => network.api.call("put", { service, isNew: false }),
  });
  return atMs - causedMs;
}

interface Wanted {
  readonly host: string;
  /** The connection to one of these pods is what is waited for. */
  readonly awaited: readonly string[];
  /** May be connected to as well. */
  readonly known: readonly string[];
  /** Returns when it was. */
  readonly cause: () => Promise<number>;
}

interface Sighting {
  /** When the client began to connect. */
  readonly startedMs: number;
  readonly causedMs: number;
  readonly atMs: number;
  readonly connections: number;
}

/** Connects to a Service without pause until one of the awaited pods is reached. Throws when any other pod is reached. */
async function sight(network: Network, proxy: MeasuredProxy, wanted: Wanted): Promise<Sighting> {
  const { host, awaited, known, cause } = wanted;
  const { load } = network;
  await network.pods.call("watch", load === undefined ? { awaited, known } : { awaited: [], known: [] });
  await load?.server.call("watch", { awaited, known, port: POD_PORT });
  const sighted = (load?.server ?? network.pods).call("sighted");
  const client = load?.client ?? network.client;
  const hammering = client.call("hammer", host);
  // Should something else fail first, that is what the run ends with.
  hammering.catch(() => {});
  const causedMs = await cause();
  const atMs = await proxy.orFail(sighted, `${awaited.join(" or ")} to be reached`, TIMEOUT_MS);
  await client.call("rest");
  const { startedMs, connections } = await hammering;
  await load?.server.call("watch", { awaited: [], known: [], port: POD_PORT });
  const strangers = await network.pods.call("unwatch");
  if (strangers.length > 0) throw new Error(`connections to ${host} reached ${strangers.join(", ")}`);
  return { startedMs, causedMs, atMs, connections };
}

/** How long the same wait takes when the endpoint is in place already, from the same client on the same Services. */
async function measureDetection(
  network: Network,
  proxy: MeasuredProxy,
  cluster: Cluster,
): Promise<Detection> {
  const sightings: Sighting[] = [];
  for (let i = 0; i < DETECTION_TRIALS; i++) {
    const service = cluster.services[Math.floor(((i + 0.5) / DETECTION_TRIALS) * cluster.services.length)]!;
    const pod = service.endpoints[i % service.endpoints.length]!;
    const cause = async (): Promise<number> => monotonicMs();
    const wanted = { host: service.clusterIP, awaited: [pod], known: service.endpoints, cause };
    sightings.push(await sight(network, proxy, wanted));
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
    const { causedMs, atMs } = await sight(network, proxy, {
      host: service.clusterIP,
      awaited: service.endpoints,
      known: [],
      cause: () => network.api.call("put", { service, isNew: true }),
    });
    addedMs.push(atMs - causedMs);
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
