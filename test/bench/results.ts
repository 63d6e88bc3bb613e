/** What one run at one size found. Times are milliseconds, memory is in megabytes (2^20 bytes). */
import type { IptablesVariant } from "../support/testbed/proxy.ts";
import type { ClusterSize } from "./options.ts";
import type { CpuUsage, MemoryUsage } from "./process-usage.ts";

export type Phases = Readonly<Record<string, number>>;

export interface StartResult {
  /** From the start of the program to the first answer through a Service of the sample. */
  readonly firstMs: number;
  /** To the answer of the last Service in the list's order. */
  readonly lastInOrderMs: number;
  /** Until every Service of the sample has answered. */
  readonly allMs: number;
  /** Until the proxy itself counts both families as programmed. */
  readonly syncedMs: number;
  readonly cpu: CpuUsage;
  readonly memory: MemoryUsage;
  /** Of the IPv4 round. */
  readonly phases: Phases;
  readonly rules: number;
}

export interface RestartResult {
  readonly syncedMs: number;
  readonly cpu: CpuUsage;
  /** Rules written into the kernel that already had them all. */
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

export interface SizeResult {
  readonly size: ClusterSize;
  readonly variant: IptablesVariant;
  /** The file that Node.js ran, from the root of the project. */
  readonly entry: string;
  readonly start: StartResult;
  /** CPU milliseconds per second without any event. */
  readonly idleCpu: number;
  readonly changes: ChangesResult;
  readonly services: ServicesResult;
  readonly restart: RestartResult;
  /** Undefined when not measured. */
  readonly plain: PlainResult | undefined;
}
