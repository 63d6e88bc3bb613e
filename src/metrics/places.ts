/** Who of many gets one of a limited number of places, such as a series of its own. Pure. */

/** A place is kept for as long as its owner is there, busy or not. */
export class Places {
  readonly #limit: number;
  readonly #owners = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Never more than the limit. */
  get size(): number {
    return this.#owners.size;
  }

  has(key: string): boolean {
    return this.#owners.has(key);
  }

  /**
   * Takes all that are there now, with what each has done since the last time. The others lose their places; free ones go
   * to the busiest, and to idle ones only if there is room for all: it would be by chance, and for long.
   */
  update(activity: ReadonlyMap<string, number>): void {
    for (const key of this.#owners) if (!activity.has(key)) this.#owners.delete(key);
    const free = this.#limit - this.#owners.size;
    if (free <= 0) return;
    const waiting = [...activity].filter(([key]) => !this.#owners.has(key));
    const chosen = waiting.length <= free ? waiting : busiest(waiting).slice(0, free);
    for (const [key] of chosen) this.#owners.add(key);
  }
}

function busiest(waiting: readonly (readonly [string, number])[]): readonly (readonly [string, number])[] {
  return waiting.filter(([, activity]) => activity > 0).sort(([, a], [, b]) => b - a);
}
