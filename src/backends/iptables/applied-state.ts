/** What the kernel is known to hold of each Service: enough to tell what a new compilation changes, and no text more. */
import type { CompiledService } from "./compile-service.ts";
import { DISPATCH, DISPATCH_FIELDS, type DispatchField } from "./dispatch.ts";
import { flat } from "./flat-text.ts";
import type { Table } from "./jumps.ts";

/** Lines in the shared chains, by field; fields without lines are absent. */
export type DispatchLines = Readonly<Partial<Record<DispatchField, readonly string[]>>>;

/** One Service as last committed. */
export interface AppliedService {
  /** Chain name → digest of its rule lines. */
  readonly chains: ReadonlyMap<string, number>;
  readonly dispatch: DispatchLines;
  /** Endpoints listed, usable or not: the large-cluster decision adds these up. */
  readonly listedEndpoints: number;
  /** Rules of the Service in each table, in its own chains and in shared ones. */
  readonly rules: Readonly<Record<Table, number>>;
}

/** Reduces a compilation to what has to be remembered once the kernel has it. */
export function toApplied(compiled: CompiledService, listedEndpoints: number): AppliedService {
  const dispatch: Partial<Record<DispatchField, readonly string[]>> = {};
  for (const field of DISPATCH_FIELDS) {
    if (compiled[field].length > 0) dispatch[field] = compiled[field].map(flat);
  }
  return appliedFrom(compiled.chains, dispatch, listedEndpoints);
}

/** What to remember of a Service with these chains and lines. */
export function appliedFrom(
  chainRules: ReadonlyMap<string, readonly string[]>,
  dispatch: DispatchLines,
  listedEndpoints: number,
): AppliedService {
  const chains = new Map<string, number>();
  const rules = { filter: 0, nat: 0 };
  for (const [name, lines] of chainRules) {
    chains.set(name, digest(lines));
    rules.nat += lines.length;
  }
  for (const field of DISPATCH_FIELDS) rules[DISPATCH[field].table] += dispatch[field]?.length ?? 0;
  return { chains, dispatch, listedEndpoints, rules };
}

/**
 * A 53-bit digest of rule lines. Two different versions of one chain collide with a chance of about 10⁻¹⁶, and a
 * collision would only delay the change to the next full pass, which compares text.
 */
export function digest(lines: readonly string[]): number {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const line of lines) {
    for (let i = 0; i < line.length; i++) {
      const unit = line.charCodeAt(i);
      a = Math.imul(a ^ unit, 2654435761);
      b = Math.imul(b ^ unit, 1597334677);
    }
    a = Math.imul(a ^ 10, 2654435761);
    b = Math.imul(b ^ 10, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
