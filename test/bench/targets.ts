/** What the figures are held against. */
import {
  changeCpuMs,
  changeNetCpuMs,
  changeOwnCpuMs,
  changeP50Ms,
  changeP95Ms,
  coldStartMs,
  type Figure,
  figureText,
  newServiceMs,
  peakMB,
  restartMs,
} from "./figures.ts";
import { plainRatio } from "./figures-iptables.ts";
import { changeWorkRatio } from "./figures-ipvs.ts";
import { commitRatio } from "./figures-nftables.ts";
import {
  connections8Ratio,
  connectionsRatio,
  requestP50Ratio,
  requestP99Ratio,
  streamRatio,
  streams8Ratio,
} from "./figures-userspace.ts";
import { type Subject, sizeText } from "./options.ts";
import { lostConnections, type SizeResult } from "./results.ts";

export interface Verdict {
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly met: boolean;
  /** Upstream's figure, if there is one. */
  readonly upstream: string;
}

interface Target extends Omit<Figure, "name"> {
  readonly what: string;
  readonly limit: number;
  /** The limit is the least that will do, not the most. */
  readonly least?: true;
  /** Measured with upstream (1.36; userspace mode: 1.20) on a machine of the same kind, not in this run. */
  readonly upstream?: number;
}

const coldStart = { what: "cold start", unit: "s", of: coldStartMs } as const;
const changeP50 = { what: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms } as const;
const changeP95 = { what: "one endpoint replaced, p95", unit: "ms", of: changeP95Ms } as const;
const changeCpu = { what: "CPU per change", unit: "ms", of: changeCpuMs } as const;
const newService = { what: "one new Service", unit: "ms", of: newServiceMs } as const;
const peak = { what: "peak memory", unit: "MB", of: peakMB } as const;
const restart = { what: "restart", unit: "s", of: restartMs } as const;
const restartPeak = {
  what: "peak memory of a restart",
  unit: "MB",
  of: ({ restart }: SizeResult) => restart.memory.peakMB,
} as const;
const written: Target = {
  what: "written by a restart",
  unit: "",
  of: ({ restart }) => restart.written,
  limit: 0,
};
const commit = { what: "commit, times the kernel", unit: "x", of: commitRatio } as const;

/** Time and CPU: half of upstream's. Memory: no more than upstream's. */
const IPTABLES: Readonly<Record<string, readonly Target[]>> = {
  "1000x10": [
    { ...coldStart, limit: 4_250, upstream: 8_500 },
    { ...changeP50, limit: 46, upstream: 93 },
    { ...changeCpu, limit: 42, upstream: 85 },
    { ...peak, limit: 87, upstream: 87 },
  ],
  "5000x2": [
    { ...coldStart, limit: 7_300, upstream: 14_600 },
    { ...changeP50, limit: 190, upstream: 380 },
    { ...changeCpu, limit: 182, upstream: 365 },
    { ...peak, limit: 121, upstream: 121 },
    { what: "plain / our iptables-restore", unit: "x", of: plainRatio, limit: 2, least: true },
  ],
};

/** Whatever the size. */
const NFTABLES_ALWAYS: readonly Target[] = [
  { ...changeP95, limit: 15 },
  { what: "CPU per change", unit: "ms", of: changeNetCpuMs, limit: 2 },
  written,
  {
    what: "connections lost in a restart",
    unit: "",
    of: ({ nftables }) => lostConnections(nftables),
    limit: 0,
  },
];

/** Whatever the size, and wherever it runs: no times. */
const IPVS_ALWAYS: readonly Target[] = [written];

/** Whatever the size: through the proxy / direct. */
const USERSPACE_ALWAYS: readonly Target[] = [
  { what: "throughput, 1 stream", unit: "x", of: streamRatio, limit: 0.7, least: true, upstream: 0.69 },
  { what: "throughput, 8 streams", unit: "x", of: streams8Ratio, limit: 0.7, least: true, upstream: 0.7 },
  {
    ...{ what: "connections per second, 1 client", unit: "x", of: connectionsRatio },
    ...{ limit: 0.4, least: true, upstream: 0.1 },
  },
  {
    ...{ what: "connections per second, 8 clients", unit: "x", of: connections8Ratio },
    ...{ limit: 0.6, least: true, upstream: 0.39 },
  },
  { what: "request, p50", unit: "x", of: requestP50Ratio, limit: 2.5, upstream: 2.2 },
  { what: "request, p99", unit: "x", of: requestP99Ratio, limit: 2.5, upstream: 2.1 },
];

const USERSPACE: Readonly<Record<string, readonly Target[]>> = {
  "1000x10": [
    { ...coldStart, limit: 3_000, upstream: 69_000 },
    { ...changeP50, limit: 3.4, upstream: 3.4 },
    { ...peak, limit: 110, upstream: 55 },
  ],
};

const NFTABLES: Readonly<Record<string, readonly Target[]>> = {
  "100x10": [
    { ...changeP50, limit: 5 },
    { ...newService, limit: 10 },
  ],
  "1000x10": [
    { ...changeP50, limit: 5, upstream: 280 },
    { ...newService, limit: 10, upstream: 1_500 },
    { ...peak, limit: 110, upstream: 81 },
  ],
  "5000x10": [
    { ...changeP50, limit: 5, upstream: 1_900 },
    { ...newService, limit: 10, upstream: 4_800 },
  ],
  "5000x50": [
    { ...coldStart, limit: 3_000, upstream: 9_900 },
    { ...commit, limit: 2 },
    { ...changeP50, limit: 5, upstream: 4_600 },
    { ...newService, limit: 10, upstream: 10_800 },
    { ...restart, limit: 2_000 },
    { ...peak, limit: 300, upstream: 443 },
    { ...restartPeak, limit: 300 },
  ],
  "20000x2": [
    { ...coldStart, limit: 3_000, upstream: 139_000 },
    { ...changeP50, limit: 5, upstream: 18_400 },
    { ...newService, limit: 10, upstream: 36_000 },
    {
      what: "connections per second, to those with one Service",
      unit: "x",
      of: ({ nftables }) => nftables?.rates.toTiny,
      limit: 0.9,
      least: true,
    },
  ],
};

/** With iptables-legacy every commit replaces the whole table, and nobody can do less than that. */
function targetsOf(subject: Subject, size: string): readonly Target[] {
  switch (subject) {
    case "iptables-nft":
      return IPTABLES[size] ?? [];
    case "iptables-legacy":
      return [];
    case "nftables":
      return [...(NFTABLES[size] ?? []), ...NFTABLES_ALWAYS];
    case "ipvs":
      return IPVS_ALWAYS;
    case "userspace":
      return [...(USERSPACE[size] ?? []), ...USERSPACE_ALWAYS];
  }
}

/** How a cost may grow from the smallest cluster to the others. */
interface Growth {
  readonly what: string;
  readonly of: (result: SizeResult) => number;
  readonly limit: number;
  /** The number of Services of the clusters that are judged; all where absent. */
  readonly services?: number;
}

/** A change must cost the same in a small and in a big cluster, apart from what the kernel and its program need. */
const IPTABLES_GROWTH: Growth = {
  what: "the proxy's own CPU per change",
  of: changeOwnCpuMs,
  limit: 1.5,
  services: 5000,
};
const CHANGE_GROWTH: Growth = { what: "one endpoint replaced, p50", of: changeP50Ms, limit: 1.2 };
/** Its latency is mostly that of the other processes on the one processor, and both change with what else runs there. */
const IPVS_GROWTH: Growth = {
  what: "one endpoint replaced, compile + write, times the kernel",
  of: (result) => changeWorkRatio(result) ?? Number.NaN,
  limit: 1.5,
};
const SMALL_SERVICES = 100;

function growthOf(subject: Subject): Growth {
  switch (subject) {
    case "iptables-nft":
    case "iptables-legacy":
      return IPTABLES_GROWTH;
    case "nftables":
    case "userspace":
      return CHANGE_GROWTH;
    case "ipvs":
      return IPVS_GROWTH;
  }
}

/** Judges the results of one subject. Sizes and figures without targets say nothing. */
export function judge(results: readonly SizeResult[]): readonly Verdict[] {
  return [...results.flatMap(judgeSize), ...judgeGrowth(results)];
}

function judgeSize(result: SizeResult): readonly Verdict[] {
  const size = sizeText(result.size);
  return targetsOf(result.subject, size).flatMap(({ what, unit, of, limit, least, upstream }) => {
    const found = of(result);
    if (found === undefined) return [];
    return {
      what: `${size}: ${what}`,
      found: figureText(found, unit),
      wanted: `${least ? ">=" : "<="} ${figureText(limit, unit)}`,
      met: least ? found >= limit : found <= limit,
      upstream: upstream === undefined ? "" : figureText(upstream, unit),
    };
  });
}

function judgeGrowth(results: readonly SizeResult[]): readonly Verdict[] {
  const small = results.find(({ size }) => size.services === SMALL_SERVICES);
  if (small === undefined) return [];
  const { what, of, limit, services } = growthOf(small.subject);
  return results
    .filter((result) => result !== small && (services ?? result.size.services) === result.size.services)
    .map((big) => {
      const growth = of(big) / of(small);
      return {
        what: `${sizeText(big.size)} / ${sizeText(small.size)}: ${what}`,
        found: figureText(growth, "x"),
        wanted: `<= ${figureText(limit, "x")}`,
        met: growth <= limit,
        upstream: "",
      };
    });
}
