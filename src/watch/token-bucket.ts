/** How often the API server is asked: client-go's token bucket. */
import type { Clock } from "./backoff.ts";

export interface RateLimit {
  /** Requests a second on average; more than 0. */
  readonly qps: number;
  /** Requests at once after a pause; at least 1. */
  readonly burst: number;
}

/** A bucket that holds `burst` tokens and gets `qps` new ones a second. Whoever comes first is served first. */
export class TokenBucket {
  readonly #limit: RateLimit;
  readonly #clock: Clock;
  /** Below 0: so many are waiting. */
  #tokens: number;
  #atMs: number;

  constructor(limit: RateLimit, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#tokens = limit.burst;
    this.#atMs = clock.now();
  }

  /** Resolves with the milliseconds waited, once there was a token. Rejects, and takes none, when the signal aborts. */
  async take(signal: AbortSignal): Promise<number> {
    const startMs = this.#refill();
    this.#tokens--;
    if (this.#tokens >= 0) return 0;
    try {
      await this.#clock.sleep((-this.#tokens / this.#limit.qps) * 1000, signal);
    } catch (error) {
      this.#tokens++;
      throw error;
    }
    return this.#clock.now() - startMs;
  }

  #refill(): number {
    const nowMs = this.#clock.now();
    const { qps, burst } = this.#limit;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) * qps) / 1000);
    this.#atMs = nowMs;
    return nowMs;
  }
}
