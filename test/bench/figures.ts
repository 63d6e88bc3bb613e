/** What a figure is, and those of every mode: the rows of the tables, the growth and the verdict. */
import type { CpuUsage } from "./process-usage.ts";
import type { Phases, SizeResult } from "./results.ts";
import { median, quantile } from "./stats.ts";

/** Undefined when not measured. */
export type Measure = (result: SizeResult) => number | undefined;

export interface Figure {
  readonly name: string;
  readonly unit: "ms" | "us" | "s" | "MB" | "x" | "";
  readonly of: Measure;
  /** Its growth from size to size says something. */
  readonly grows?: true;
}

/** A table of figures. */
export interface Section {
  readonly title: string;
  readonly figures: readonly Figure[];
}

export const total = ({ ownMs, childrenMs }: CpuUsage): number => ownMs + childrenMs;

export const coldStartMs = ({ start }: SizeResult): number => start.allMs;
export const changeP50Ms = ({ changes }: SizeResult): number => median(changes.latenciesMs);
export const changeP95Ms = ({ changes }: SizeResult): number => quantile(changes.latenciesMs, 0.95);
export const changeCpuMs = ({ changes }: SizeResult): number => total(changes.cpu);
/** What a change takes beyond the CPU time of an idle proxy meanwhile. */
export const changeNetCpuMs = (result: SizeResult): number =>
  changeCpuMs(result) - (result.idleCpu * result.changes.elapsedMs) / 1000;
/** What a change costs beside the iptables program and the kernel. */
export const changeOwnCpuMs = ({ changes }: SizeResult): number => changes.cpu.ownMs;
export const peakMB = ({ changes }: SizeResult): number => changes.memory.peakMB;
export const newServiceMs = ({ services }: SizeResult): number => median(services.addedMs);
export const restartMs = ({ restart }: SizeResult): number => restart.syncedMs;

export const MEMORY: Section = {
  title: "Memory (VmHWM, VmRSS; MB of 2^20 bytes)",
  figures: [
    {
      name: "memory, peak until after the start",
      unit: "MB",
      of: ({ start }) => start.memory.peakMB,
      grows: true,
    },
    {
      name: "  resident after the start",
      unit: "MB",
      of: ({ start }) => start.memory.residentMB,
      grows: true,
    },
    {
      name: "memory, peak until after the changes",
      unit: "MB",
      of: peakMB,
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
  ],
};

/** A value in its unit, as text. Times are given in milliseconds. */
export function figureText(value: number | undefined, unit: Figure["unit"]): string {
  if (value === undefined || Number.isNaN(value)) return "not measured";
  switch (unit) {
    case "s":
      return `${(value / 1000).toFixed(2)} s`;
    case "ms":
      return `${value.toFixed(1)} ms`;
    case "us":
      return `${(value * 1000).toFixed(1)} µs`;
    case "MB":
      return `${value.toFixed(0)} MB`;
    case "x":
      return `${value.toFixed(value < 100 ? 2 : 0)}x`;
    case "":
      return Number.isInteger(value) ? String(value) : value.toFixed(2);
  }
}

/** How many times as much as something else, mostly the kernel alone; undefined unless both were measured. */
export function ratio(of: Measure, to: Measure): Measure {
  return (result) => {
    const [ours, other] = [of(result), to(result)];
    return ours === undefined || other === undefined ? undefined : ours / other;
  };
}

/** The time of all phases but one. */
export function besides(phases: Phases, left: string): number {
  return Object.entries(phases).reduce((sum, [phase, ms]) => (phase === left ? sum : sum + ms), 0);
}
