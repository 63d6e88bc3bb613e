/** The figures of nftables mode, each beside what the kernel alone needs for it. */
import {
  changeCpuMs,
  changeNetCpuMs,
  changeP50Ms,
  changeP95Ms,
  coldStartMs,
  MEMORY,
  type Measure,
  newServiceMs,
  ratio,
  restartMs,
  type Section,
  total,
} from "./figures.ts";
import { RESOLVE, stageFigures } from "./figures-stages.ts";
import type { SizeResult } from "./results.ts";
import { median } from "./stats.ts";

/** The phase of a round in which the kernel takes transactions. */
const COMMIT = "commit";

const kernelLoadMs: Measure = ({ nftables }) => nftables?.kernel.loadMs;
const kernelDumpMs: Measure = ({ nftables }) => nftables?.kernel.dumpMs;
const kernelOneMs: Measure = ({ nftables }) => nftables?.kernel.oneElementP50Ms;
const commitMs: Measure = ({ start }) => start.phases[COMMIT];

/** How much longer our commits take than the kernel's own load of the same elements. */
export const commitRatio = ratio(commitMs, kernelLoadMs);
const RESTART: Section = {
  title: "Restart with everything in place",
  figures: [
    { name: "restart, synced", unit: "s", of: restartMs, grows: true },
    { name: "  the kernel alone, telling the table", unit: "s", of: kernelDumpMs, grows: true },
    { name: "  times the kernel", unit: "x", of: ratio(restartMs, kernelDumpMs) },
    { name: "  program runs after", unit: "s", of: ({ restart }) => restart.milestones.runningMs },
    { name: "  everything listed after", unit: "s", of: ({ restart }) => restart.milestones.listedMs },
    { name: "  CPU", unit: "s", of: ({ restart }) => total(restart.cpu), grows: true },
    { name: "  elements and other objects written", unit: "", of: ({ restart }) => restart.written },
    { name: "  transactions", unit: "", of: ({ nftables }) => nftables?.restartCommits },
    { name: "  connections kept", unit: "", of: ({ nftables }) => nftables?.traffic.kept },
    { name: "    of them lost", unit: "", of: ({ nftables }) => nftables?.traffic.keptLost },
    { name: "  connections opened meanwhile", unit: "", of: ({ nftables }) => nftables?.traffic.opened },
    { name: "    of them failed", unit: "", of: ({ nftables }) => nftables?.traffic.openedLost },
  ],
};

const CHANGE: Section = {
  title: "One change",
  figures: [
    { name: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms, grows: true },
    { name: "  p95", unit: "ms", of: changeP95Ms, grows: true },
    { name: "  noticing it adds, mean", unit: "ms", of: ({ changes }) => changes.detection.meanMs },
    { name: "  noticing it adds, p95", unit: "ms", of: ({ changes }) => changes.detection.p95Ms },
    { name: "  the kernel alone, one element", unit: "us", of: kernelOneMs, grows: true },
    { name: "    p95", unit: "us", of: ({ nftables }) => nftables?.kernel.oneElementP95Ms },
    { name: "  times the kernel", unit: "x", of: ratio(changeP50Ms, kernelOneMs) },
    {
      name: "  event to end of round, mean",
      unit: "ms",
      of: ({ changes }) => changes.eventToKernelMs,
      grows: true,
    },
    { name: "    of it commit", unit: "ms", of: ({ changes }) => changes.phases[COMMIT], grows: true },
    { name: "  rounds per change", unit: "", of: ({ changes }) => changes.rounds },
    { name: "  CPU per change", unit: "ms", of: changeNetCpuMs, grows: true },
    { name: "    with what passes while idle", unit: "ms", of: changeCpuMs },
    { name: "one new Service, median", unit: "ms", of: newServiceMs, grows: true },
    { name: "  times the kernel's one element", unit: "x", of: ratio(newServiceMs, kernelOneMs) },
    { name: "one Service removed, median", unit: "ms", of: ({ services }) => median(services.removedMs) },
    { name: "CPU per second without events", unit: "ms", of: ({ idleCpu }) => idleCpu },
  ],
};

const RATE: Section = {
  title: "New connections per second, one after the other",
  figures: [
    { name: "through cluster IPs", unit: "", of: ({ nftables }) => round(nftables?.rates.perSecond) },
    {
      name: "with one Service in the cluster",
      unit: "",
      of: ({ nftables }) => round(nftables?.rates.tinyPerSecond),
    },
    { name: "straight to pods", unit: "", of: ({ nftables }) => round(nftables?.rates.directPerSecond) },
    { name: "this cluster / one Service", unit: "x", of: ({ nftables }) => nftables?.rates.toTiny },
    { name: "this cluster / straight", unit: "x", of: ({ nftables }) => nftables?.rates.toDirect },
    { name: "one Service / straight", unit: "x", of: ({ nftables }) => nftables?.rates.tinyToDirect },
  ],
};

/** The sections, with a row for each phase that the mode has. */
export function nftablesSections(results: readonly SizeResult[]): readonly Section[] {
  return [startSection(results), RESTART, CHANGE, MEMORY, RATE];
}

/** What is done one after the other, from the start of the process to the last answer. */
function startSection(results: readonly SizeResult[]): Section {
  return {
    title: "Cold start",
    figures: [
      { name: "cold start, all of the sample answer", unit: "s", of: coldStartMs, grows: true },
      ...stageFigures(results),
      {
        name: "  from there to the last answer",
        unit: "ms",
        of: ({ start }) => start.allMs - start.milestones.syncedMs,
      },
      { name: "of all this, resolve", unit: "ms", of: ({ start }) => start.phases[RESOLVE], grows: true },
      { name: "first answer", unit: "s", of: ({ start }) => start.firstMs },
      { name: "proxy says synced (both families)", unit: "s", of: ({ start }) => start.syncedMs },
      { name: "CPU", unit: "s", of: ({ start }) => total(start.cpu), grows: true },
      { name: "elements and other objects written", unit: "", of: ({ start }) => start.written },
      { name: "elements in the end", unit: "", of: ({ nftables }) => nftables?.kernel.elements },
      { name: "the kernel alone, taking the elements", unit: "ms", of: kernelLoadMs, grows: true },
      { name: "  commit, times the kernel", unit: "x", of: commitRatio },
      { name: "  cold start, times the kernel", unit: "x", of: ratio(coldStartMs, kernelLoadMs) },
    ],
  };
}

function round(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}
