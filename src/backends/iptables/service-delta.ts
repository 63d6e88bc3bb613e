/** What one Service changes in the kernel: its own chains to write or remove, its lines in shared chains. */
import type { ServiceKey } from "../../model/types.ts";
import { type AppliedService, digest } from "./applied-state.ts";
import type { CompiledService } from "./compile-service.ts";
import { DISPATCH_FIELDS, type DispatchField } from "./dispatch.ts";

/** A chain with all its rules, as `-A` lines. */
export type ChainText = readonly [name: string, lines: readonly string[]];

/** The change of one Service. */
export interface ServiceDelta {
  readonly key: ServiceKey;
  /** Chains that are new or differ; endpoint chains before those that jump to them is not needed within one commit. */
  readonly write: readonly ChainText[];
  readonly remove: readonly string[];
  readonly add: Readonly<Partial<Record<DispatchField, readonly string[]>>>;
  readonly drop: Readonly<Partial<Record<DispatchField, readonly string[]>>>;
}

/** Compares a compilation with what was last committed; undefined when nothing changes. */
export function deltaFromApplied(
  key: ServiceKey,
  before: AppliedService | undefined,
  after: CompiledService,
): ServiceDelta | undefined {
  const write: ChainText[] = [];
  for (const chain of after.chains) {
    if (before?.chains.get(chain[0]) !== digest(chain[1])) write.push(chain);
  }
  const remove: string[] = [];
  for (const name of before?.chains.keys() ?? []) {
    if (!after.chains.has(name)) remove.push(name);
  }
  const add: Partial<Record<DispatchField, readonly string[]>> = {};
  const drop: Partial<Record<DispatchField, readonly string[]>> = {};
  let dispatchChanged = false;
  for (const field of DISPATCH_FIELDS) {
    const was = before?.dispatch[field] ?? [];
    const is = after[field];
    if (was.length === 0 && is.length === 0) continue;
    const added = missingFrom(was, is);
    const dropped = missingFrom(is, was);
    if (added.length > 0) add[field] = added;
    if (dropped.length > 0) drop[field] = dropped;
    dispatchChanged ||= added.length > 0 || dropped.length > 0;
  }
  if (write.length === 0 && remove.length === 0 && !dispatchChanged) return undefined;
  return { key, write, remove, add, drop };
}

/** The lines of `wanted` that `present` lacks, counting repeats: equal lines may stand in a chain more than once. */
export function missingFrom(present: readonly string[], wanted: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const line of present) left.set(line, (left.get(line) ?? 0) + 1);
  return wanted.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
