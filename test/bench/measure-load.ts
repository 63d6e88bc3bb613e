/** Load on one Service through the proxy and straight to the same pods, from the same client, by turns. */
import { setTimeout as delay } from "node:timers/promises";
import type { Amount, Way } from "./agents/load-client.ts";
import { type BenchService, POD_PORT, SERVICE_PORT } from "./cluster.ts";
import type { LoadEnds, Network } from "./network.ts";
import { cpuUsage, memoryUsage } from "./process-usage.ts";
import type { MeasuredProxy } from "./proxy.ts";
import type { LoadFigure, RateFigure, ScrapesResult, UserspaceResult } from "./results.ts";
import { mean, median, quantile } from "./stats.ts";

/** How long one round of one kind takes each way: little, so that what is compared meets the same machine. */
const WINDOW_MS = 100;
const REQUESTS = 1_000;
const SCRAPES = 5;
/** More than the proxy keeps an answer for. */
const BETWEEN_SCRAPES_MS = 1_500;

/** The way through the proxy and the one past it. */
interface Ways {
  readonly direct: Way;
  readonly through: Way;
}

type Work = (way: Way) => Promise<Amount>;

/** One round of one way. CPU time is that of one unit, in milliseconds. */
interface Sample {
  readonly perSecond: number;
  readonly proxyCpuMs: number;
  /** Of client, pods and proxy. */
  readonly cpuMs: number;
}

/** Meanwhile all pods of the Service are served by the other end of the load. */
export async function measureLoad(
  network: Network,
  proxy: MeasuredProxy,
  service: BenchService,
  rounds: number,
): Promise<UserspaceResult> {
  const { load: ends } = network;
  if (ends === undefined) throw new Error("the network has no clients and pods for load");
  const { client, server } = ends;
  await server.call("watch", { awaited: [], known: service.endpoints, port: POD_PORT });
  const ways: Ways = {
    direct: { hosts: service.endpoints, port: POD_PORT },
    through: { hosts: [service.clusterIP], port: SERVICE_PORT },
  };
  const stream = (streams: number): Work => {
    return (way) => client.call("streams", { way, streams, ms: WINDOW_MS });
  };
  const connect = (clients: number): Work => {
    return (way) => client.call("connections", { way, clients, ms: WINDOW_MS });
  };
  const works = [stream(1), stream(8), connect(1), connect(8)].map((work) => ({
    work,
    direct: [] as Sample[],
    through: [] as Sample[],
  }));
  const requests = new Requests();
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (["direct", "through"] as const) : (["through", "direct"] as const);
    for (const { work, ...samples } of works)
      for (const way of order) samples[way].push(await sample(() => work(ways[way]), ends, proxy));
    await requests.round(ends, ways, order, proxy);
  }
  await server.call("watch", { awaited: [], known: [], port: POD_PORT });
  const memory = memoryUsage(proxy.pid);
  const [one, eight, connections, connections8] = works.map(rateFigure);
  return {
    stream: one!,
    streams8: eight!,
    connections: connections!,
    connections8: connections8!,
    requestP50: requests.figure(0.5),
    requestP99: requests.figure(0.99),
    memory,
    scrapes: await measureScrapes(proxy),
  };
}

/** What it costs to tell of all that was carried. */
async function measureScrapes(proxy: MeasuredProxy): Promise<ScrapesResult> {
  const [cpuMs, ms]: [number[], number[]] = [[], []];
  for (let i = 0; i < SCRAPES; i++) {
    await delay(BETWEEN_SCRAPES_MS);
    const before = cpuUsage(proxy.pid).ownMs;
    const started = performance.now();
    await proxy.scrape();
    ms.push(performance.now() - started);
    cpuMs.push(cpuUsage(proxy.pid).ownMs - before);
  }
  return { ms: median(ms), cpuMs: median(cpuMs), memory: memoryUsage(proxy.pid) };
}

async function sample(work: () => Promise<Amount>, ends: LoadEnds, proxy: MeasuredProxy): Promise<Sample> {
  const cpu = (): number[] => [proxy.pid, ends.client.pid, ends.server.pid].map((pid) => cpuUsage(pid).ownMs);
  const before = cpu();
  const { units, ms } = await work();
  const used = cpu().map((now, i) => (now - before[i]!) / units);
  const [proxyCpuMs = 0, clientCpuMs = 0, podsCpuMs = 0] = used;
  return { perSecond: (units / ms) * 1000, proxyCpuMs, cpuMs: proxyCpuMs + clientCpuMs + podsCpuMs };
}

function rateFigure({ direct, through }: Readonly<Record<keyof Ways, readonly Sample[]>>): RateFigure {
  const rates = (samples: readonly Sample[]): number[] => samples.map(({ perSecond }) => perSecond);
  const cpu = (samples: readonly Sample[]): number => median(samples.map(({ cpuMs }) => cpuMs));
  return {
    ...compared(rates(direct), rates(through)),
    bestRatio: Math.max(...rates(through)) / Math.max(...rates(direct)),
    proxyCpuMs: median(through.map(({ proxyCpuMs }) => proxyCpuMs)),
    // The proxy has nothing to do with what goes past it.
    cpuRatio: cpu(direct.map((each) => ({ ...each, cpuMs: each.cpuMs - each.proxyCpuMs }))) / cpu(through),
  };
}

function compared(
  direct: readonly number[],
  through: readonly number[],
): Pick<LoadFigure, "direct" | "through" | "ratio"> {
  const ratios = through.map((value, round) => value / direct[round]!);
  return { direct: median(direct), through: median(through), ratio: median(ratios) };
}

/** Rounds of small requests on open connections. */
class Requests {
  /** Milliseconds of each request, by round. */
  readonly #times: Record<keyof Ways, (readonly number[])[]> = { direct: [], through: [] };
  readonly #proxyCpuMs: number[] = [];

  async round(
    { client }: LoadEnds,
    ways: Ways,
    order: readonly (keyof Ways)[],
    proxy: MeasuredProxy,
  ): Promise<void> {
    const before = cpuUsage(proxy.pid).ownMs;
    const times = await client.call("requests", { ways: order.map((way) => ways[way]), count: REQUESTS });
    this.#proxyCpuMs.push((cpuUsage(proxy.pid).ownMs - before) / REQUESTS);
    for (const [i, way] of order.entries()) this.#times[way].push(times[i]!);
  }

  figure(share: number): LoadFigure {
    const quantiles = (way: keyof Ways): number[] => this.#times[way].map((times) => quantile(times, share));
    return { ...compared(quantiles("direct"), quantiles("through")), proxyCpuMs: mean(this.#proxyCpuMs) };
  }
}
