/** Cuts changes into parts that the worker takes one after the other, with traffic in between. */
import type { RelayChanges } from "./types.ts";

/** Some milliseconds of work. */
const PORTS_PER_PART = 100;
const REMOVALS_PER_PART = 1000;

/**
 * The parts, none when nothing changes. What is removed comes last: a destination that moves to another virtual port is never without
 * one. A port that is both removed and given anew is replaced.
 */
export function splitChanges(changes: RelayChanges): RelayChanges[] {
  const { upsert = [], remove = [], ...rest } = changes;
  const given = new Set(upsert.map(({ id }) => id));
  const gone = remove.filter((id) => !given.has(id));
  return [
    ...slices(upsert, PORTS_PER_PART).map((part) => ({ ...rest, upsert: part })),
    ...slices(gone, REMOVALS_PER_PART).map((part) => ({ ...rest, remove: part })),
  ];
}

function slices<T>(list: readonly T[], length: number): (readonly T[])[] {
  const count = Math.ceil(list.length / length);
  return Array.from({ length: count }, (_, i) => list.slice(i * length, (i + 1) * length));
}
