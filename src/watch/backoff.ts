/** Waiting between attempts: exponential, jittered, forgetful. */
import { setTimeout as delay } from "node:timers/promises";

/** Time as the watch code sees it; tests pass their own. */
export interface Clock {
  /** Milliseconds since any fixed point. */
  now(): number;
  /** Resolves after `ms`; rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

// client-go's reflector: 0.8 s doubling to 30 s, up to 100 % jitter, forgotten after two quiet minutes.
const INITIAL_MS = 800;
const MAX_MS = 30_000;
const QUIET_MS = 120_000;

/** How long to wait before the next attempt. The jitter keeps a cluster's nodes from coming back in step. */
export class Backoff {
  readonly #now: () => number;
  readonly #random: () => number;
  #baseMs = INITIAL_MS;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly now: () => number; readonly random: () => number }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /** Milliseconds to wait now; each call within two minutes of the previous one doubles the base. */
  next(): number {
    const now = this.#now();
    if (now - this.#lastAt > QUIET_MS) this.#baseMs = INITIAL_MS;
    this.#lastAt = now;
    const waitMs = this.#baseMs * (1 + this.#random());
    this.#baseMs = Math.min(this.#baseMs * 2, MAX_MS);
    return waitMs;
  }
}
