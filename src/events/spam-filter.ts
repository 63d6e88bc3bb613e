/** Keeps one broken object from flooding the API server with events. */

// client-go's numbers: 25 at once, then one every five minutes.
const BURST = 25;
const REFILL_MS = 300_000;
const MAX_OBJECTS = 1024;

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket for each object, for the objects heard of most recently. */
export class SpamFilter {
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** `now` gives milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether an event about this object may be sent now; takes a token if so. */
  admit(object: string): boolean {
    const now = this.#now();
    const { tokens, at } = this.#buckets.get(object) ?? { tokens: BURST, at: now };
    const available = Math.min(BURST, tokens + (now - at) / REFILL_MS);
    const admitted = available >= 1;
    this.#buckets.delete(object);
    this.#buckets.set(object, { tokens: admitted ? available - 1 : available, at: now });
    if (this.#buckets.size > MAX_OBJECTS) this.#buckets.delete(this.#buckets.keys().next().value ?? "");
    return admitted;
  }
}
