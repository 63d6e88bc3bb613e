/** The figures of userspace mode: what passes the proxy beside what goes straight to the same pods, and what it costs. */
import {
  changeNetCpuMs,
  changeP50Ms,
  changeP95Ms,
  coldStartMs,
  type Figure,
  MEMORY,
  type Measure,
  newServiceMs,
  restartMs,
  type Section,
  total,
} from "./figures.ts";
import { RESOLVE, stageFigures } from "./figures-stages.ts";
import type { LoadFigure, RateFigure, SizeResult, UserspaceResult } from "./results.ts";
import { median } from "./stats.ts";

const GIGABYTE = 1e9;

/** Something of the load; undefined where there was none. */
function load<T>(of: (load: UserspaceResult) => T): (result: SizeResult) => T | undefined {
  return ({ userspace }) => userspace && of(userspace);
}

export const streamRatio: Measure = load(({ stream }) => stream.ratio);
export const streams8Ratio: Measure = load(({ streams8 }) => streams8.ratio);
export const connectionsRatio: Measure = load(({ connections }) => connections.ratio);
export const connections8Ratio: Measure = load(({ connections8 }) => connections8.ratio);
export const requestP50Ratio: Measure = load(({ requestP50 }) => requestP50.ratio);
export const requestP99Ratio: Measure = load(({ requestP99 }) => requestP99.ratio);

/** The sections, with a row for each phase that the mode has. */
export function userspaceSections(results: readonly SizeResult[]): readonly Section[] {
  return [
    LOAD,
    startSection(results),
    RESTART,
    CHANGE,
    {
      ...MEMORY,
      figures: [
        ...MEMORY.figures,
        { name: "memory, peak until after the load", unit: "MB", of: load(({ memory }) => memory.peakMB) },
        { name: "  resident after the load", unit: "MB", of: load(({ memory }) => memory.residentMB) },
        {
          name: "memory, peak until after five more scrapes",
          unit: "MB",
          of: load(({ scrapes }) => scrapes.memory.peakMB),
          grows: true,
        },
      ],
    },
  ];
}

const LOAD: Section = {
  title: "Through the proxy / direct, medians of rounds",
  figures: [
    {
      name: "(the machine: slowest / quickest moment)",
      unit: "x",
      of: ({ machineSpread }) => machineSpread,
    },
    ...rateFigures("throughput, 1 stream", "GB per second", GIGABYTE, ({ stream }) => stream),
    ...rateFigures("throughput, 8 streams", "GB per second", GIGABYTE, ({ streams8 }) => streams8),
    ...rateFigures("connections, 1 client", "per second", 1, ({ connections }) => connections),
    ...rateFigures("connections, 8 clients", "per second", 1, ({ connections8 }) => connections8),
    ...requestFigures("request, p50", ({ requestP50 }) => requestP50),
    ...requestFigures("request, p99", ({ requestP99 }) => requestP99),
    { name: "  CPU of the proxy per request", unit: "us", of: load((all) => all.requestP50.proxyCpuMs) },
  ],
};

/** `unit` is so many of what was counted. */
function rateFigures(
  what: string,
  unit: string,
  units: number,
  of: (load: UserspaceResult) => RateFigure,
): readonly Figure[] {
  const perSecond = (value: number): number => Number((value / units).toPrecision(3));
  const isBytes = units === GIGABYTE;
  return [
    { name: what, unit: "x", of: load((all) => of(all).ratio) },
    { name: `  through the proxy, ${unit}`, unit: "", of: load((all) => perSecond(of(all).through)) },
    { name: `  direct, ${unit}`, unit: "", of: load((all) => perSecond(of(all).direct)) },
    { name: "  best round / best round", unit: "x", of: load((all) => of(all).bestRatio) },
    { name: "  by CPU time of all processes", unit: "x", of: load((all) => of(all).cpuRatio) },
    {
      name: `  CPU of the proxy per ${isBytes ? "GB" : "connection"}`,
      unit: isBytes ? "ms" : "us",
      of: load((all) => of(all).proxyCpuMs * units),
    },
  ];
}

function requestFigures(what: string, of: (load: UserspaceResult) => LoadFigure): readonly Figure[] {
  return [
    { name: what, unit: "x", of: load((all) => of(all).ratio) },
    { name: "  through the proxy", unit: "us", of: load((all) => of(all).through) },
    { name: "  direct", unit: "us", of: load((all) => of(all).direct) },
  ];
}

function startSection(results: readonly SizeResult[]): Section {
  return {
    title: "Cold start",
    figures: [
      { name: "cold start, all of the sample answer", unit: "s", of: coldStartMs, grows: true },
      ...stageFigures(results),
      { name: "of all this, resolve", unit: "ms", of: ({ start }) => start.phases[RESOLVE], grows: true },
      { name: "first answer", unit: "s", of: ({ start }) => start.firstMs },
      { name: "proxy says synced (both families)", unit: "s", of: ({ start }) => start.syncedMs },
      { name: "CPU, proxy itself", unit: "s", of: ({ start }) => start.cpu.ownMs, grows: true },
      { name: "CPU, iptables programs", unit: "s", of: ({ start }) => start.cpu.childrenMs },
      { name: "objects written, rules among them", unit: "", of: ({ start }) => start.written },
    ],
  };
}

const RESTART: Section = {
  title: "Restart with everything in place",
  figures: [
    { name: "restart, synced", unit: "s", of: restartMs, grows: true },
    { name: "  CPU", unit: "s", of: ({ restart }) => total(restart.cpu), grows: true },
    { name: "  objects written, rules among them", unit: "", of: ({ restart }) => restart.written },
  ],
};

const CHANGE: Section = {
  title: "One change",
  figures: [
    { name: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms, grows: true },
    { name: "  p95", unit: "ms", of: changeP95Ms, grows: true },
    { name: "  noticing it adds, mean", unit: "ms", of: ({ changes }) => changes.detection.meanMs },
    { name: "  noticing it adds, p95", unit: "ms", of: ({ changes }) => changes.detection.p95Ms },
    {
      name: "  event to end of round, mean",
      unit: "ms",
      of: ({ changes }) => changes.eventToKernelMs,
      grows: true,
    },
    { name: "    of it compile", unit: "ms", of: ({ changes }) => changes.phases.compile, grows: true },
    { name: "    of it write", unit: "ms", of: ({ changes }) => changes.phases.write, grows: true },
    { name: "  rounds per change", unit: "", of: ({ changes }) => changes.rounds },
    { name: "  CPU per change, noticing it included", unit: "ms", of: changeNetCpuMs },
    { name: "one new Service, median", unit: "ms", of: newServiceMs, grows: true },
    { name: "one Service removed, median", unit: "ms", of: ({ services }) => median(services.removedMs) },
    { name: "CPU per second without events", unit: "ms", of: ({ idleCpu }) => idleCpu },
    { name: "one scrape of the metrics", unit: "ms", of: load(({ scrapes }) => scrapes.ms), grows: true },
    { name: "  CPU", unit: "ms", of: load(({ scrapes }) => scrapes.cpuMs), grows: true },
  ],
};
