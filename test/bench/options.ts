/** The command line of the benchmark. */
import { parseArgs } from "node:util";

/** How big the cluster is: every Service has one port and as many endpoints as the others. */
export interface ClusterSize {
  readonly services: number;
  readonly endpointsPerService: number;
}

/** The kernel's side of what is measured. */
export type Subject = "nftables" | "ipvs" | "userspace" | "iptables-nft" | "iptables-legacy";

/** The proxy's own name of what it does. */
export type Mode = "iptables" | "nftables" | "ipvs" | "userspace";

export function modeOf(subject: Subject): Mode {
  return subject === "iptables-nft" || subject === "iptables-legacy" ? "iptables" : subject;
}

/** What a measurement of the start takes. */
export interface StartupOptions {
  readonly subjects: readonly Subject[];
  /** Starts of each form of the program in each mode. */
  readonly runs: number;
  /** How long to leave the proxy alone before its memory is looked at; it lets go of some after 5 s. */
  readonly idleMs: number;
}

export interface BenchOptions {
  /** Measure only this. */
  readonly startup: StartupOptions | undefined;
  readonly sizes: readonly ClusterSize[];
  readonly subjects: readonly Subject[];
  /** Endpoint changes to time at each size. */
  readonly changes: number;
  /** Services to add, and to remove, at each size. */
  readonly services: number;
  /** How long to watch the proxy do nothing. */
  readonly idleMs: number;
  /** Rounds of connections through a small and a big cluster in turn. */
  readonly rateRounds: number;
  /** Rounds of load through the proxy and past it. */
  readonly loadRounds: number;
  /** Objects of each kind to write with a process each. */
  readonly processes: number;
  /** Also feed the plain reference where it takes minutes. */
  readonly full: boolean;
  /** Print Markdown. */
  readonly markdown: boolean;
  /** File for the raw figures. */
  readonly json: string | undefined;
  /** Folder for CPU profiles of the proxy. */
  readonly profile: string | undefined;
}

export const USAGE = `usage: npm run bench -- [options]
  --mode NAME       iptables, nftables, ipvs or userspace (default iptables); ipvs mode runs inside user-mode
                    Linux where the kernel has no IPVS, where everything takes minutes
  --sizes LIST      services x endpoints of each, e.g. 100x10,5000x2 (default: those of the mode's targets)
  --variant NAME    of iptables mode: nft, legacy or both (default nft)
  --changes N       endpoint changes to time at each size (default 30)
  --startup         only how long the sources, the bundle and the executable take to be healthy, and their memory when
                    idle; in iptables and nftables mode unless --mode is given
  --quick           tiny sizes and few changes, to see that everything works
  --full            measure the plain reference at every size, even where it takes minutes
  --markdown        print the tables as Markdown
  --json FILE       write the raw figures
  --profile FOLDER  write CPU profiles of the proxy, one at each end of it; figures are then worse`;

/** A slice holds up to 100 endpoints, and every Service of the benchmark has one slice. */
const MAX_ENDPOINTS = 100;
const MAX_SERVICES = 60_000;

const SIZES = {
  iptables: "100x10,1000x10,5000x2,5000x10",
  nftables: "100x10,1000x10,5000x10,5000x50,20000x2",
  ipvs: "100x10,1000x10,5000x10",
  userspace: "100x10,1000x10,5000x10",
} as const satisfies Record<Mode, string>;
/** Where CPU time is counted in steps of 10 ms, few of them would say nothing. */
const IDLE_MS = { iptables: 5_000, nftables: 5_000, ipvs: 20_000, userspace: 5_000 } as const;
const QUICK_SIZES = "10x2,50x3";

/** Reads the arguments; throws a RangeError or TypeError that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mode: { type: "string" },
      startup: { type: "boolean", default: false },
      sizes: { type: "string" },
      variant: { type: "string" },
      changes: { type: "string" },
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      markdown: { type: "boolean", default: false },
      json: { type: "string" },
      profile: { type: "string" },
    },
  });
  const { mode = "iptables", quick } = values;
  if (!isMode(mode)) throw new RangeError(`--mode: ${mode}: want iptables, nftables, ipvs or userspace`);
  if (values.startup && mode === "ipvs") throw new RangeError("--startup: not in ipvs mode");
  const subjects = parseSubjects(mode, values.variant);
  return {
    startup: values.startup
      ? {
          subjects: values.mode === undefined ? [...subjects, "nftables"] : subjects,
          runs: quick ? 1 : 5,
          idleMs: quick ? 6_000 : 10_000,
        }
      : undefined,
    sizes: (values.sizes ?? (quick ? QUICK_SIZES : SIZES[mode])).split(",").map(parseSize),
    subjects,
    changes: parseCount(values.changes ?? (quick ? "1" : "30"), "--changes"),
    services: quick ? 1 : 5,
    idleMs: quick ? 200 : IDLE_MS[mode],
    rateRounds: quick ? 3 : 60,
    loadRounds: quick ? 2 : 50,
    processes: quick ? 5 : 100,
    full: values.full,
    markdown: values.markdown,
    json: values.json,
    profile: values.profile,
  };
}

export function sizeText({ services, endpointsPerService }: ClusterSize): string {
  return `${services}x${endpointsPerService}`;
}

function parseSize(text: string): ClusterSize {
  const [, services, endpoints] = /^(\d+)x(\d+)$/.exec(text.trim()) ?? [];
  const size = { services: Number(services), endpointsPerService: Number(endpoints) };
  const valid = size.services >= 1 && size.services <= MAX_SERVICES;
  if (!valid || size.endpointsPerService < 1 || size.endpointsPerService > MAX_ENDPOINTS)
    throw new RangeError(`--sizes: ${text}: want 1-${MAX_SERVICES} x 1-${MAX_ENDPOINTS}, e.g. 5000x2`);
  return size;
}

function isMode(text: string): text is Mode {
  return Object.hasOwn(SIZES, text);
}

function parseSubjects(mode: Mode, variant: string | undefined): readonly Subject[] {
  if (mode !== "iptables") {
    if (variant === undefined) return [mode];
    throw new RangeError(`--variant: ${variant}: only iptables mode has variants`);
  }
  if (variant === "both") return ["iptables-nft", "iptables-legacy"];
  if (variant === "nft" || variant === undefined) return ["iptables-nft"];
  if (variant === "legacy") return ["iptables-legacy"];
  throw new RangeError(`--variant: ${variant}: want nft, legacy or both`);
}

function parseCount(text: string, name: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`${name}: ${text}: want a whole number from 1`);
  return count;
}
