/** The figures of iptables mode. */
import {
  besides,
  changeCpuMs,
  changeOwnCpuMs,
  changeP50Ms,
  changeP95Ms,
  coldStartMs,
  type Figure,
  MEMORY,
  newServiceMs,
  restartMs,
  type Section,
  total,
} from "./figures.ts";
import type { SizeResult } from "./results.ts";
import { median } from "./stats.ts";

/** How many times as long the plain document takes as our full pass's restore. */
export function plainRatio({ plain, start }: SizeResult): number | undefined {
  const restore = start.phases.restore;
  return plain === undefined || restore === undefined ? undefined : plain.ms / restore;
}

const START: readonly Figure[] = [
  { name: "cold start, all of the sample answer", unit: "s", of: coldStartMs, grows: true },
  { name: "  first answer", unit: "s", of: ({ start }) => start.firstMs },
  { name: "  last Service of the list answers", unit: "s", of: ({ start }) => start.lastInOrderMs },
  { name: "  proxy says synced (both families)", unit: "s", of: ({ start }) => start.syncedMs },
  { name: "  CPU, proxy itself", unit: "s", of: ({ start }) => start.cpu.ownMs, grows: true },
  { name: "  CPU, iptables programs", unit: "s", of: ({ start }) => start.cpu.childrenMs, grows: true },
  {
    name: "  model + read + compile",
    unit: "s",
    of: ({ start }) => besides(start.phases, "restore"),
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
    of: restartMs,
    grows: true,
  },
  { name: "  CPU, all", unit: "s", of: ({ restart }) => total(restart.cpu), grows: true },
  { name: "  model + read + compile", unit: "s", of: ({ restart }) => besides(restart.phases, "restore") },
  { name: "  rules written", unit: "", of: ({ restart }) => restart.written },
];

const CHANGE: readonly Figure[] = [
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
  {
    name: "  model + compile + diff, mean",
    unit: "ms",
    of: ({ changes }) => besides(changes.phases, "restore"),
  },
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
    of: newServiceMs,
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

export const IPTABLES_SECTIONS: readonly Section[] = [
  { title: "Start", figures: START },
  { title: "One change", figures: CHANGE },
  MEMORY,
];
