/** Upper bounds of histogram buckets, in seconds. They are part of each series' name, so upstream's are kept exactly. */

/** `start`, multiplied by `factor` until there are `count` bounds. */
function exponential(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => start * factor ** index);
}

/** From `first` to `last` inclusive. */
function linear(first: number, last: number, step: number): number[] {
  return Array.from({ length: (last - first) / step + 1 }, (_, index) => first + index * step);
}

/** Sync rounds and conntrack clean-up: 1 ms to 16.384 s. */
export const SYNC_BUCKETS: readonly number[] = exponential(0.001, 2, 15);

/** Network programming latency; the bound 0 is an accident of upstream's that dashboards have come to expect. */
export const PROGRAMMING_BUCKETS: readonly number[] = [
  0,
  0.25,
  0.5,
  ...linear(1, 59, 1),
  ...linear(60, 115, 5),
  ...linear(120, 300, 30),
];

/** API requests (client-go). */
export const REQUEST_BUCKETS: readonly number[] = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** Phases of a sync, many of which take microseconds: 0.1 ms to 26 s. */
export const PHASE_BUCKETS: readonly number[] = exponential(0.0001, 4, 10);
