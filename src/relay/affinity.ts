/** Which endpoint a client had last: bounded, and forgotten after a time. */
import type { Endpoint } from "./endpoint.ts";

interface Entry {
  readonly endpoint: Endpoint;
  usedAt: number;
}

/** Entries are in the order of their last use, as a Map keeps what is put in again at its end. */
export class Affinity {
  /** Milliseconds of absence after which a client is forgotten; may be changed. */
  timeoutMs: number;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  constructor(timeoutMs: number, limit: number) {
    this.timeoutMs = timeoutMs;
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The client's endpoint, if it was here in time; that counts as use. */
  find(client: string, now: number): Endpoint | undefined {
    const entry = this.#entries.get(client);
    if (entry === undefined) return undefined;
    this.#entries.delete(client);
    if (now - entry.usedAt >= this.timeoutMs) return undefined;
    entry.usedAt = now;
    this.#entries.set(client, entry);
    return entry.endpoint;
  }

  /** Remembers the client's endpoint in place of an earlier one. */
  remember(client: string, endpoint: Endpoint, now: number): void {
    this.#entries.delete(client);
    this.#entries.set(client, { endpoint, usedAt: now });
    this.#forgetOld(now);
  }

  /** Forgets what is over the limit, and a few of the oldest that are over time. */
  #forgetOld(now: number): void {
    let checked = 0;
    for (const [client, entry] of this.#entries) {
      const old = now - entry.usedAt >= this.timeoutMs;
      if (!old && this.#entries.size <= this.#limit) return;
      this.#entries.delete(client);
      if (++checked === 4) return;
    }
  }
}
