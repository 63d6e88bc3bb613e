/** How much counters have grown between two readings. Pure. */

/** Several counters of one thing, in an order that is always the same. */
export type Counts = readonly number[];

type Parts = Map<string, Counts>;

/**
 * Remembers the last reading of every thing and of its parts. What fell stands still: counters of several parts may be
 * added up, and a part that is gone takes its own along. Counters that began anew have to be told apart by who reads them.
 */
export class Increments {
  #before: ReadonlyMap<string, Parts> = new Map();
  #now = new Map<string, Parts>();

  /** A new reading begins. `anew`: all counters have begun at 0 since the last one. */
  begin(anew: boolean): void {
    this.#before = anew ? new Map() : this.#now;
    this.#now = new Map();
  }

  /** What the counters of a part, at these values now, have counted since the last reading; empty if nothing at all. */
  since(thing: string, part: string, counts: Counts): Counts {
    // The rule where there are thousands of endpoints: it should cost nothing.
    if (counts.every((count) => count === 0)) return NOTHING;
    this.#remember(thing, part, counts);
    const before = this.#before.get(thing)?.get(part);
    if (before === undefined) return counts;
    if (counts.every((count, index) => count === before[index])) return NOTHING;
    return counts.map((count, index) => Math.max(0, count - (before[index] ?? 0)));
  }

  #remember(thing: string, part: string, counts: Counts): void {
    const parts = this.#now.get(thing);
    if (parts === undefined) this.#now.set(thing, new Map([[part, counts]]));
    else parts.set(part, counts);
  }
}

const NOTHING: Counts = [];

/** Adds counts to totals of the same order. */
export function addCounts(totals: number[], counts: Counts): void {
  for (const [index, count] of counts.entries()) totals[index] = (totals[index] ?? 0) + count;
}
