/** Counters of a virtual port or an endpoint, as they are counted; `TrafficStats` is what others see of them. */
import type { FailureReason, TrafficStats } from "./types.ts";

export type Counters = { -readonly [Name in keyof Omit<TrafficStats, "failures">]: number } & {
  readonly failures: Record<FailureReason, number>;
};

export function newCounters(): Counters {
  return {
    active: 0,
    total: 0,
    failures: {
      refused: 0,
      timeout: 0,
      unreachable: 0,
      reset: 0,
      noEndpoint: 0,
      limit: 0,
      resources: 0,
    },
    resetByClient: 0,
    resetByEndpoint: 0,
    bytesToEndpoint: 0,
    bytesToClient: 0,
  };
}
