/** Whether so many connections go to an endpoint that the kernel's search for a source port would become slow. */

/** How long a port stays in TIME_WAIT. */
const WINDOW_MS = 60_000;
/** Connections in that time; a default Linux finds ports easily up to about 14,000. */
const MANY = 4000;

export class DialRate {
  #windowEnd = 0;
  #count = 0;
  #areManyUntil = 0;

  /** Counts a connection; true while there are many. */
  count(now: number): boolean {
    if (now >= this.#windowEnd) {
      this.#windowEnd = now + WINDOW_MS;
      this.#count = 0;
    }
    if (++this.#count > MANY) this.setMany(now);
    return now < this.#areManyUntil;
  }

  /** The kernel found no port. */
  setMany(now: number): void {
    this.#areManyUntil = now + 2 * WINDOW_MS;
  }
}
