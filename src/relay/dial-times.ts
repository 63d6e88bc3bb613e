/** How long connects took, in fixed buckets. */
/** Upper bounds in milliseconds; what took longer is counted behind the last. */
export const DIAL_BOUNDS_MS: readonly number[] = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500,
];

/** Index of the bucket for a time. */
export function dialBucket(milliseconds: number): number {
  const index = DIAL_BOUNDS_MS.findIndex((bound) => milliseconds <= bound);
  return index < 0 ? DIAL_BOUNDS_MS.length : index;
}

export class DialTimes {
  readonly counts: number[] = new Array<number>(DIAL_BOUNDS_MS.length + 1).fill(0);
  totalMs = 0;

  /** Counts a connect that worked. */
  add(milliseconds: number): void {
    const index = dialBucket(milliseconds);
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.totalMs += milliseconds;
  }
}
