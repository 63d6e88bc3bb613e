/** The figures of ipvs mode, each beside what the kernel alone needs for it. */
import {
  besides,
  changeCpuMs,
  changeNetCpuMs,
  changeP50Ms,
  changeP95Ms,
  coldStartMs,
  type Figure,
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

/** Phases of a full pass in which the objects that grow with the cluster are written. */
const SETS = "sets";
const SERVERS = "servers";
/** The phase of a round in which changes are. */
const WRITE = "write";

const kernelMs: Measure = ({ ipvs }) =>
  ipvs && ipvs.kernel.serversMs + ipvs.kernel.setEntriesMs + ipvs.kernel.addressesMs;
const kernelDumpMs: Measure = ({ ipvs }) => ipvs?.kernel.dumpMs;
const kernelEndpointMs: Measure = ({ ipvs }) => ipvs?.kernel.oneEndpointP50Ms;
const kernelServiceMs: Measure = ({ ipvs }) => ipvs?.kernel.oneServiceP50Ms;
const writingMs: Measure = ({ start }) => (start.phases[SETS] ?? NaN) + (start.phases[SERVERS] ?? NaN);
const objects: Measure = ({ ipvs }) =>
  ipvs &&
  ipvs.kernel.virtualServers + ipvs.kernel.realServers + ipvs.kernel.setEntries + ipvs.kernel.addresses;
const eventToKernelMs: Measure = ({ changes }) => changes.eventToKernelMs;
const changeWriteMs: Measure = ({ changes }) => changes.phases[WRITE];

/** What the proxy itself does for a change, from the event on. */
export const changeWorkRatio = ratio(({ changes }) => besides(changes.phases, RESOLVE), kernelEndpointMs);

/** The sections, with a row for each phase that the mode has. */
export function ipvsSections(results: readonly SizeResult[]): readonly Section[] {
  return [startSection(results), RESTART, CHANGE, PER_OBJECT, MEMORY];
}

function startSection(results: readonly SizeResult[]): Section {
  return {
    title: "Cold start",
    figures: [
      {
        name: "(the machine: slowest / quickest moment)",
        unit: "x",
        of: ({ machineSpread }) => machineSpread,
      },
      { name: "cold start, all programmed", unit: "s", of: coldStartMs, grows: true },
      ...stageFigures(results),
      {
        name: "  the other family",
        unit: "ms",
        of: ({ start }) => start.milestones.bothSyncedMs - start.milestones.syncedMs,
      },
      { name: "of all this, resolve", unit: "ms", of: ({ start }) => start.phases[RESOLVE], grows: true },
      { name: "CPU, proxy itself", unit: "s", of: ({ start }) => start.cpu.ownMs, grows: true },
      { name: "CPU, iptables programs", unit: "s", of: ({ start }) => start.cpu.childrenMs },
      { name: "objects written, rules among them", unit: "", of: ({ start }) => start.written },
      { name: "the kernel alone, taking all but rules", unit: "ms", of: kernelMs, grows: true },
      { name: "  set entries", unit: "ms", of: ({ ipvs }) => ipvs?.kernel.setEntriesMs },
      { name: "  virtual and real servers", unit: "ms", of: ({ ipvs }) => ipvs?.kernel.serversMs },
      { name: "  addresses", unit: "ms", of: ({ ipvs }) => ipvs?.kernel.addressesMs },
      { name: "sets + servers, times the kernel", unit: "x", of: ratio(writingMs, kernelMs) },
      { name: "cold start, times the kernel", unit: "x", of: ratio(coldStartMs, kernelMs) },
    ],
  };
}

const RESTART: Section = {
  title: "Restart with everything in place",
  figures: [
    { name: "restart, synced", unit: "s", of: restartMs, grows: true },
    ...(["read", SETS, "rules", SERVERS] as const).map(
      (phase): Figure => ({
        name: `  of it ${phase}`,
        unit: "ms",
        of: ({ restart }) => restart.phases[phase],
        grows: true,
      }),
    ),
    { name: "  the kernel alone, telling it all", unit: "ms", of: kernelDumpMs, grows: true },
    { name: "  times the kernel", unit: "x", of: ratio(restartMs, kernelDumpMs) },
    {
      name: "  read + servers, times the kernel",
      unit: "x",
      of: ratio(({ restart: { phases } }) => (phases.read ?? NaN) + (phases[SERVERS] ?? NaN), kernelDumpMs),
    },
    { name: "  CPU", unit: "s", of: ({ restart }) => total(restart.cpu), grows: true },
    { name: "  objects written", unit: "", of: ({ restart }) => restart.written },
  ],
};

const CHANGE: Section = {
  title: "One change, without looks for drift: --ipvs-sync-period=1h",
  figures: [
    { name: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms, grows: true },
    { name: "  p95", unit: "ms", of: changeP95Ms, grows: true },
    { name: "  noticing it adds, mean", unit: "ms", of: ({ changes }) => changes.detection.meanMs },
    { name: "  noticing it adds, p95", unit: "ms", of: ({ changes }) => changes.detection.p95Ms },
    { name: "  event to end of round, mean", unit: "ms", of: eventToKernelMs, grows: true },
    { name: "    of it compile", unit: "ms", of: ({ changes }) => changes.phases.compile, grows: true },
    { name: "    of it write", unit: "ms", of: changeWriteMs, grows: true },
    { name: "  the kernel alone, p50", unit: "us", of: kernelEndpointMs, grows: true },
    { name: "    p95", unit: "us", of: ({ ipvs }) => ipvs?.kernel.oneEndpointP95Ms },
    { name: "  p50, times the kernel", unit: "x", of: ratio(changeP50Ms, kernelEndpointMs) },
    { name: "  event to end, times the kernel", unit: "x", of: ratio(eventToKernelMs, kernelEndpointMs) },
    { name: "  compile + write, times the kernel", unit: "x", of: changeWorkRatio },
    { name: "  write, times the kernel", unit: "x", of: ratio(changeWriteMs, kernelEndpointMs) },
    { name: "  rounds per change", unit: "", of: ({ changes }) => changes.rounds },
    { name: "  CPU per change, with what passes while idle", unit: "ms", of: changeCpuMs, grows: true },
    { name: "    without", unit: "ms", of: changeNetCpuMs },
    { name: "one new Service, median", unit: "ms", of: newServiceMs, grows: true },
    { name: "  the kernel alone", unit: "us", of: kernelServiceMs },
    { name: "  times the kernel", unit: "x", of: ratio(newServiceMs, kernelServiceMs) },
    { name: "one Service removed, median", unit: "ms", of: ({ services }) => median(services.removedMs) },
    { name: "CPU per second without events", unit: "ms", of: ({ idleCpu }) => idleCpu },
  ],
};

const oursPerObject = ratio(writingMs, objects);
const ipsetMs: Measure = ({ ipvs }) => ipvs?.processes.ipsetMs;

/** Upstream writes set entries with one process each, and all else with one netlink request each. */
const PER_OBJECT: Section = {
  title: "Per object written, one way or another",
  figures: [
    { name: "ours: sets + servers of the cold start", unit: "us", of: oursPerObject },
    { name: "the kernel alone, in our datagrams", unit: "us", of: ratio(kernelMs, objects) },
    {
      name: "the kernel alone, a request each (real servers)",
      unit: "us",
      of: ({ ipvs }) => ipvs?.kernel.singleRealServerMs,
    },
    { name: "a process each: ipset add, as upstream", unit: "us", of: ipsetMs },
    { name: "a process each: ipvsadm -a", unit: "us", of: ({ ipvs }) => ipvs?.processes.ipvsadmMs },
    { name: "a process each: ip address add", unit: "us", of: ({ ipvs }) => ipvs?.processes.ipAddressMs },
    { name: "  of these, measured", unit: "", of: ({ ipvs }) => ipvs?.processes.sample },
    { name: "ipset add / ours", unit: "x", of: ratio(ipsetMs, oursPerObject) },
  ],
};
