/** How long the oldest event waited when a round applies it. Pure. */

export class EventAges {
  /** Ascending, milliseconds since the epoch. */
  #waitingMs: number[] = [];

  /** An event came in. Several within one millisecond count as one. */
  queued(atMs: number): void {
    if (this.#waitingMs.at(-1) !== atMs) this.#waitingMs.push(atMs);
  }

  /**
   * A round that began at `startedMs` ended at `endedMs`. Returns the seconds since the oldest event that it applied;
   * undefined if there was none or the round failed. Later events, and the oldest one of a failed round, go on waiting.
   */
  finished(ok: boolean, startedMs: number, endedMs: number): number | undefined {
    const applied = this.#waitingMs.filter((atMs) => atMs <= startedMs);
    const [oldestMs] = applied;
    if (oldestMs === undefined) return undefined;
    const later = this.#waitingMs.slice(applied.length);
    this.#waitingMs = ok ? later : [oldestMs, ...later];
    return ok ? Math.max(0, endedMs - oldestMs) / 1000 : undefined;
  }
}
