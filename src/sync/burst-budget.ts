/**
 * Spaces syncs, but only those of a burst. What happens in a cluster comes in twos and threes: a Service and then its
 * slice, a pod gone and then its successor. A few syncs may follow each other at once; only when more come than the
 * budget holds does each have to wait for the minimum interval.
 */
export class BurstBudget {
  readonly #periodMs: number;
  readonly #size: number;
  #left: number;
  #sinceMs = 0;

  /** `size` syncs without waiting; one comes back for each `periodMs` without a sync. No period means no limit. */
  constructor(periodMs: number, size: number) {
    this.#periodMs = periodMs;
    this.#size = size;
    this.#left = size;
  }

  /** How long the next sync has to wait, in milliseconds. */
  waitMs(nowMs: number): number {
    return Math.max(0, Math.round((1 - this.#available(nowMs)) * this.#periodMs));
  }

  /** A sync ran; time comes back only from its end on, so that a slow one is followed by rest as well. */
  spend(startMs: number, endMs: number): void {
    this.#left = Math.max(0, this.#available(startMs) - 1);
    this.#sinceMs = endMs;
  }

  #available(nowMs: number): number {
    if (this.#periodMs === 0) return this.#size;
    return Math.min(this.#size, this.#left + (nowMs - this.#sinceMs) / this.#periodMs);
  }
}
