import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Clock } from "../../../src/watch/backoff.ts";
import { TokenBucket } from "../../../src/watch/token-bucket.ts";

/** A clock that stands until it is moved. */
class StandingClock implements Clock {
  #nowMs = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  async moveTo(ms: number): Promise<void> {
    this.#sleepers.sort((a, b) => a.atMs - b.atMs);
    while ((this.#sleepers[0]?.atMs ?? Number.POSITIVE_INFINITY) <= ms) {
      const next = this.#sleepers.shift();
      this.#nowMs = next?.atMs ?? this.#nowMs;
      next?.wake();
      await Promise.resolve();
      await Promise.resolve();
    }
    this.#nowMs = ms;
  }
}

const never = new AbortController().signal;

describe("TokenBucket", () => {
  it("lets a burst through at once and spaces what follows", async () => {
    const clock = new StandingClock();
    const bucket = new TokenBucket({ qps: 5, burst: 3 }, clock);
    const waits = Array.from({ length: 6 }, () => bucket.take(never));
    await clock.moveTo(10_000);
    expect(await Promise.all(waits)).toEqual([0, 0, 0, 200, 400, 600]);
  });

  it("fills up again to the burst, not further", async () => {
    const clock = new StandingClock();
    const bucket = new TokenBucket({ qps: 2, burst: 2 }, clock);
    await Promise.all([bucket.take(never), bucket.take(never)]);
    await clock.moveTo(60_000);
    const waits = Array.from({ length: 3 }, () => bucket.take(never));
    await clock.moveTo(120_000);
    expect(await Promise.all(waits)).toEqual([0, 0, 500]);
  });

  it("gives the turn back when it is not wanted any more", async () => {
    const clock = new StandingClock();
    const bucket = new TokenBucket({ qps: 1, burst: 1 }, clock);
    await bucket.take(never);
    const given = new AbortController();
    const abandoned = bucket.take(given.signal);
    given.abort(new Error("enough"));
    await expect(abandoned).rejects.toThrow("enough");
    const next = bucket.take(never);
    await clock.moveTo(10_000);
    expect(await next).toBe(1_000);
  });

  it("never lets more through than burst and rate allow", async () => {
    const limit = {
      qps: fc.double({ min: 0.1, max: 50, noNaN: true }),
      burst: fc.integer({ min: 1, max: 10 }),
    };
    const gaps = fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.record(limit), gaps, async ({ qps, burst }, pauses) => {
        const clock = new StandingClock();
        const bucket = new TokenBucket({ qps, burst }, clock);
        const turns: Promise<number>[] = [];
        for (const pause of pauses) {
          const askedAt = clock.now();
          turns.push(bucket.take(never).then((waited) => askedAt + waited));
          await clock.moveTo(askedAt + pause);
        }
        await clock.moveTo(1e9);
        const times = await Promise.all(turns);
        for (const [i, from] of times.entries()) {
          for (let j = i; j < times.length; j++) {
            const seconds = ((times[j] ?? 0) - from) / 1000;
            expect(j - i + 1).toBeLessThanOrEqual(burst + qps * seconds + 1e-6);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
