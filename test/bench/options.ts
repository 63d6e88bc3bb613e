/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import type { IptablesVariant } from "../support/testbed/proxy.ts";

/** How big the cluster is: every Service has one port and as many endpoints as the others. */
export interface ClusterSize {
  readonly services: number;
  readonly endpointsPerService: number;
}

export interface BenchOptions {
  readonly sizes: readonly ClusterSize[];
  readonly variants: readonly IptablesVariant[];
  /** Endpoint changes to time at each size. */
  readonly changes: number;
  /** Services to add, and to remove, at each size. */
  readonly services: number;
  /** How long to watch the proxy do nothing. */
  readonly idleMs: number;
  /** Also feed the plain reference where it takes minutes. */
  readonly full: boolean;
  /** File for the raw figures. */
  readonly json: string | undefined;
}

export const USAGE = `usage: npm run bench -- [options]
  --sizes LIST      services x endpoints of each, e.g. 100x10,5000x2 (default 100x10,1000x10,5000x2,5000x10)
  --variant NAME    nft, legacy or both (default nft)
  --changes N       endpoint changes to time at each size (default 30)
  --quick           tiny sizes and few changes, to see that everything works
  --full            measure the plain reference at every size, even where it takes minutes
  --json FILE       write the raw figures`;

/** A slice holds up to 100 endpoints, and every Service of the benchmark has one slice. */
const MAX_ENDPOINTS = 100;
const MAX_SERVICES = 60_000;

/** Reads the arguments; throws a RangeError or TypeError that says what is wrong. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sizes: { type: "string" },
      variant: { type: "string", default: "nft" },
      changes: { type: "string" },
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const { quick } = values;
  return {
    sizes: (values.sizes ?? (quick ? "10x2,50x3" : "100x10,1000x10,5000x2,5000x10"))
      .split(",")
      .map(parseSize),
    variants: parseVariants(values.variant),
    changes: parseCount(values.changes ?? (quick ? "1" : "30"), "--changes"),
    services: quick ? 1 : 5,
    idleMs: quick ? 200 : 5_000,
    full: values.full,
    json: values.json,
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

function parseVariants(text: string): readonly IptablesVariant[] {
  if (text === "both") return ["nft", "legacy"];
  if (text === "nft" || text === "legacy") return [text];
  throw new RangeError(`--variant: ${text}: want nft, legacy or both`);
}

function parseCount(text: string, name: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`${name}: ${text}: want a whole number from 1`);
  return count;
}
