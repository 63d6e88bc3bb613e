/** The figures of a run, each with its name and unit: the rows of the tables, the growth and the verdict. */
import type { CpuUsage } from "./process-usage.ts";
import type { SizeResult } from "./results.ts";
import { median, quantile } from "./stats.ts";

export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "s" | "MB" | "x" | "";
  /** Undefined when not measured. */
  readonly of: (result: SizeResult) => number | undefined;
  /** Its growth from size to size says something. */
  readonly grows?: true;
}

const total = ({ ownMs, childrenMs }: CpuUsage): number => ownMs + childrenMs;

export const coldStartMs = ({ start }: SizeResult): number => start.allMs;
export const changeP50Ms = ({ changes }: SizeResult): number => median(changes.latenciesMs);
export const changeCpuMs = ({ changes }: SizeResult): number => total(changes.cpu);
/** What a change costs beside the iptables program and the kernel. */
export const changeOwnCpuMs = ({ changes }: SizeResult): number => changes.cpu.ownMs;
export const peakMB = ({ changes }: SizeResult): number => changes.memory.peakMB;
/** How many times as long the plain document takes as our full pass's restore. */
export function plainRatio({ plain, start }: SizeResult): number | undefined {
  const restore = start.phases.restore;
  return plain === undefined || restore === undefined ? undefined : plain.ms / restore;
}

export const START_FIGURES: readonly Figure[] = [
  { name: "cold start, all of the sample answer", unit: "s", of: coldStartMs, grows: true },
  { name: "  first answer", unit: "s", of: ({ start }) => start.firstMs },
  { name: "  last Service of the list answers", unit: "s", of: ({ start }) => start.lastInOrderMs },
  { name: "  proxy says synced (both families)", unit: "s", of: ({ start }) => start.syncedMs },
  { name: "  CPU, proxy itself", unit: "s", of: ({ start }) => start.cpu.ownMs, grows: true },
  { name: "  CPU, iptables programs", unit: "s", of: ({ start }) => start.cpu.childrenMs, grows: true },
  {
    name: "  model + read + compile",
    unit: "s",
    of: ({ start }) => besidesRestore(start.phases),
    grows: true,
  },
  { name: "  iptables-restore", unit: "s", of: ({ start }) => start.phases.restore, grows: true },
  {
    name: "  total / iptables-restore",
    unit: "x",
    of: ({ start }) => start.allMs / (start.phases.restore ?? NaN),
  },
  { name: "  rules in the kernel", unit: "", of: ({ start }) => start.rules },
  { name: "plain iptables-restore of it all", unit: "s", of: ({ plain }) => plain?.ms, grows: true },
  { name: "  plain / our iptables-restore", unit: "x", of: plainRatio },
  {
    name: "restart with all in place, synced",
    unit: "s",
    of: ({ restart }) => restart.syncedMs,
    grows: true,
  },
  { name: "  CPU, all", unit: "s", of: ({ restart }) => total(restart.cpu), grows: true },
  { name: "  model + read + compile", unit: "s", of: ({ restart }) => besidesRestore(restart.phases) },
  { name: "  rules written", unit: "", of: ({ restart }) => restart.written },
];

export const CHANGE_FIGURES: readonly Figure[] = [
  { name: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms, grows: true },
  { name: "  p95", unit: "ms", of: ({ changes }) => quantile(changes.latenciesMs, 0.95), grows: true },
  { name: "  noticing it adds, mean", unit: "ms", of: ({ changes }) => changes.detection.meanMs },
  { name: "  noticing it adds, p95", unit: "ms", of: ({ changes }) => changes.detection.p95Ms },
  {
    name: "  event to end of round, mean",
    unit: "ms",
    of: ({ changes }) => changes.eventToKernelMs,
    grows: true,
  },
  { name: "  model + compile + diff, mean", unit: "ms", of: ({ changes }) => besidesRestore(changes.phases) },
  { name: "  iptables-restore, mean", unit: "ms", of: ({ changes }) => changes.phases.restore, grows: true },
  {
    name: "  p50 / iptables-restore",
    unit: "x",
    of: (result) => changeP50Ms(result) / (result.changes.phases.restore ?? NaN),
  },
  { name: "  rounds per change", unit: "", of: ({ changes }) => changes.rounds },
  { name: "  CPU per change", unit: "ms", of: changeCpuMs, grows: true },
  { name: "    proxy itself", unit: "ms", of: changeOwnCpuMs, grows: true },
  { name: "    iptables programs", unit: "ms", of: ({ changes }) => changes.cpu.childrenMs, grows: true },
  {
    name: "one new Service, median",
    unit: "ms",
    of: ({ services }) => median(services.addedMs),
    grows: true,
  },
  {
    name: "one Service removed, median",
    unit: "ms",
    of: ({ services }) => median(services.removedMs),
    grows: true,
  },
  { name: "CPU per second without events", unit: "ms", of: ({ idleCpu }) => idleCpu },
];

export const MEMORY_FIGURES: readonly Figure[] = [
  {
    name: "memory, peak until after the start",
    unit: "MB",
    of: ({ start }) => start.memory.peakMB,
    grows: true,
  },
  { name: "  resident after the start", unit: "MB", of: ({ start }) => start.memory.residentMB, grows: true },
  {
    name: "memory, peak until after the changes",
    unit: "MB",
    of: ({ changes }) => changes.memory.peakMB,
    grows: true,
  },
  {
    name: "  resident after the changes",
    unit: "MB",
    of: ({ changes }) => changes.memory.residentMB,
    grows: true,
  },
  {
    name: "memory, peak of a restart",
    unit: "MB",
    of: ({ restart }) => restart.memory.peakMB,
    grows: true,
  },
];

/** A value in its unit, as text. */
export function figureText(value: number | undefined, unit: Figure["unit"]): string {
  if (value === undefined || Number.isNaN(value)) return "not measured";
  switch (unit) {
    case "s":
      return `${(value / 1000).toFixed(2)} s`;
    case "ms":
      return `${value.toFixed(1)} ms`;
    case "MB":
      return `${value.toFixed(0)} MB`;
    case "x":
      return `${value.toFixed(2)}x`;
    case "":
      return Number.isInteger(value) ? String(value) : value.toFixed(2);
  }
}

function besidesRestore(phases: Readonly<Record<string, number>>): number {
  return Object.entries(phases).reduce((sum, [phase, ms]) => (phase === "restore" ? sum : sum + ms), 0);
}
