/** A clock that stands still until it is told to go on. */
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../../src/sync/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass; whatever falls due happens in its order, and all that follows from it without waiting. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let timer = this.#first(untilMs); timer !== undefined; timer = this.#first(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.callback();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  #first(untilMs: number): Timer | undefined {
    return [...this.#timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}

/** Until promises that need nothing from outside are settled. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}
