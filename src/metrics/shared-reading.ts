/** Reads counters that live elsewhere when somebody scrapes, but neither too often nor for too long. */
import { withTimeout } from "./with-timeout.ts";

export interface SharedReadingOptions {
  readonly read: () => Promise<void>;
  /** Told once, not at every scrape, until it has worked again. */
  readonly onFailure: (error: unknown) => void;
  /** A scrape waits so many milliseconds, then goes without. Default 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Milliseconds that only go forward. */
  readonly now?: (() => number) | undefined;
}

const TIMEOUT_MS = 1_000;
/** Scrapes within this time (milliseconds) share one reading: a dump of all counters is some work. */
const INTERVAL_MS = 1_000;

export class SharedReading {
  readonly #options: SharedReadingOptions;
  readonly #now: () => number;
  #reading: Promise<void> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(options: SharedReadingOptions) {
    this.#options = options;
    this.#now = options.now ?? performance.now.bind(performance);
  }

  /** Reads, unless that was done a moment ago. Never rejects. */
  async refresh(): Promise<void> {
    const reading = this.#current();
    if (reading === undefined) return;
    try {
      await withTimeout(reading, this.#options.timeoutMs ?? TIMEOUT_MS);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onFailure(error);
      this.#failing = true;
    }
  }

  /** The reading under way, however many scrapes come by; else a new one, if the last began long enough ago. */
  #current(): Promise<void> | undefined {
    const nowMs = this.#now();
    if (this.#reading === undefined && nowMs - this.#readAtMs >= INTERVAL_MS) {
      this.#readAtMs = nowMs;
      this.#reading = this.#options.read().finally(() => {
        this.#reading = undefined;
      });
    }
    return this.#reading;
  }
}
