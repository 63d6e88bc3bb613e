/** What one run at one size found. Times are milliseconds, memory is in megabytes (2^20 bytes). */
import type { TrafficResult } from "./agents/traffic.ts";
import type { Milestones } from "./milestones.ts";
import type { ClusterSize, Subject } from "./options.ts";
import type { CpuUsage, MemoryUsage } from "./process-usage.ts";

export type Phases = Readonly<Record<string, number>>;

export interface StartResult {
  /** From the start of the program to the first answer through a Service of the sample; undefined when nobody asked. */
  readonly firstMs: number | undefined;
  /** To the answer of the last Service in the list's order. */
  readonly lastInOrderMs: number | undefined;
  /** Until every Service of the sample has answered, or, when nobody asked, as `syncedMs`. */
  readonly allMs: number;
  /** Until the proxy itself counts both families as programmed. */
  readonly syncedMs: number;
  readonly cpu: CpuUsage;
  readonly memory: MemoryUsage;
  /** Of the IPv4 round. */
  readonly phases: Phases;
  readonly milestones: Milestones;
  /** Rules that the proxy owns; 0 in nftables mode, where they are a constant few. */
  readonly rules: number;
  /** Rules, or elements and all else, written. */
  readonly written: number;
}

export interface RestartResult {
  readonly syncedMs: number;
  readonly cpu: CpuUsage;
  readonly milestones: Milestones;
  /** Rules, or elements and all else, written into the kernel that already had them all. */
  readonly written: number;
  readonly phases: Phases;
  readonly memory: MemoryUsage;
}

/** How long it takes to notice an endpoint that answers already: what noticing adds to a latency. */
export interface Detection {
  readonly meanMs: number;
  readonly p95Ms: number;
  readonly connections: number;
}

export interface ChangesResult {
  readonly latenciesMs: readonly number[];
  /** Per change, from one to the next. */
  readonly elapsedMs: number;
  /** Per change. */
  readonly cpu: CpuUsage;
  /** Per change, of the IPv4 rounds. */
  readonly phases: Phases;
  /** Rounds per change; more than one means that a change was cut in two. */
  readonly rounds: number;
  /** From the arrival of the event in the proxy to the end of the round, mean. */
  readonly eventToKernelMs: number;
  readonly detection: Detection;
  readonly memory: MemoryUsage;
}

export interface ServicesResult {
  readonly addedMs: readonly number[];
  readonly removedMs: readonly number[];
}

/** The whole document fed to a bare iptables-restore. */
export interface PlainResult {
  readonly ms: number;
  /** The program took longer than this run was ready to wait. */
  readonly timedOut: boolean;
  readonly rules: number;
  readonly bytes: number;
}

/** The kernel's own time for the table as it was at the end of the run. */
export interface KernelResult {
  readonly elements: number;
  /** To take all elements, in a few transactions. */
  readonly loadMs: number;
  /** To tell them. */
  readonly dumpMs: number;
  /** To take or drop one element, as a transaction of its own. */
  readonly oneElementP50Ms: number;
  readonly oneElementP95Ms: number;
}

/** New connections per second, one at a time; ratios are medians of rounds. */
export interface RateResult {
  readonly perSecond: number;
  /** With one Service in the cluster. */
  readonly tinyPerSecond: number;
  /** Straight to the pods. */
  readonly directPerSecond: number;
  readonly toTiny: number;
  readonly toDirect: number;
  readonly tinyToDirect: number;
}

/** What is measured in nftables mode only. */
export interface NftablesResult {
  readonly kernel: KernelResult;
  /** Transactions that changed anything in the kernel during the restart with everything in place. */
  readonly restartCommits: number;
  /** What became of connections during another restart. */
  readonly traffic: TrafficResult;
  readonly rates: RateResult;
}

/** What ipvs mode had in the kernel at the end of the run, for IPv4. */
export interface IpvsInventory {
  readonly virtualServers: number;
  readonly realServers: number;
  readonly setEntries: number;
  readonly addresses: number;
  /** What the kernel takes to tell all of it. */
  readonly dumpMs: number;
}

/** The kernel's own time to take all that, with as many requests in a datagram as the proxy puts there. */
export interface IpvsKernelResult extends IpvsInventory {
  readonly serversMs: number;
  readonly setEntriesMs: number;
  readonly addressesMs: number;
  /** To drain one real server and add another. */
  readonly oneEndpointP50Ms: number;
  readonly oneEndpointP95Ms: number;
  /** One Service: entries of sets, virtual server with its real servers, address. */
  readonly oneServiceP50Ms: number;
  /** Per real server, each in a request of its own. */
  readonly singleRealServerMs: number;
}

/** Milliseconds per object that one process each takes. */
export interface ProcessesResult {
  /** Objects of each kind that were added. */
  readonly sample: number;
  readonly ipsetMs: number;
  readonly ipvsadmMs: number;
  readonly ipAddressMs: number;
}

/** What is measured in ipvs mode only. */
export interface IpvsResult {
  readonly kernel: IpvsKernelResult;
  readonly processes: ProcessesResult;
}

/** The same work past the proxy and through it, by turns. */
export interface LoadFigure {
  /** Medians of rounds. */
  readonly direct: number;
  readonly through: number;
  /** Through / direct, the median of rounds. */
  readonly ratio: number;
  /** CPU milliseconds of the proxy for one unit: a connection, a request, a byte. */
  readonly proxyCpuMs: number;
}

/** What is done as fast as it goes, in units per second. */
export interface RateFigure extends LoadFigure {
  /** The best round through the proxy / the best one past it: those that others on the machine disturbed least. */
  readonly bestRatio: number;
  /** CPU time for one unit direct / through: what the ratio would be with all processors busy with nothing else. */
  readonly cpuRatio: number;
}

/** What one scrape of the metrics costs. */
export interface ScrapesResult {
  readonly ms: number;
  readonly cpuMs: number;
  /** After a few of them. */
  readonly memory: MemoryUsage;
}

/** What is measured in userspace mode only. */
export interface UserspaceResult {
  readonly stream: RateFigure;
  readonly streams8: RateFigure;
  readonly connections: RateFigure;
  readonly connections8: RateFigure;
  readonly requestP50: LoadFigure;
  readonly requestP99: LoadFigure;
  /** After all that. */
  readonly memory: MemoryUsage;
  readonly scrapes: ScrapesResult;
}

/** Connections that a restart broke or that nobody answered meanwhile. */
export function lostConnections(nftables: NftablesResult | undefined): number {
  return nftables === undefined ? 0 : nftables.traffic.keptLost + nftables.traffic.openedLost;
}

export interface SizeResult {
  readonly size: ClusterSize;
  readonly subject: Subject;
  /** The file that Node.js ran, from the root of the project. */
  readonly entry: string;
  /** How many times as long the same work took at one moment of the run as at another. */
  readonly machineSpread: number;
  readonly start: StartResult;
  /** CPU milliseconds per second without any event. */
  readonly idleCpu: number;
  readonly changes: ChangesResult;
  readonly services: ServicesResult;
  readonly restart: RestartResult;
  /** Undefined when not measured. */
  readonly plain: PlainResult | undefined;
  readonly nftables: NftablesResult | undefined;
  readonly ipvs: IpvsResult | undefined;
  readonly userspace: UserspaceResult | undefined;
}
