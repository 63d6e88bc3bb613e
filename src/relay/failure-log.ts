/** Collects failures for the main thread: not one message each, and only so many a second. */
import type { Loop } from "./loop.ts";
import type { Task } from "./timers.ts";
import type { Failure, FailureBatch } from "./types.ts";

const BATCH_MS = 1000;
const FAILURES_PER_BATCH = 20;
/** The first failure after a quiet time does not wait for long. */
const FIRST_BATCH_MS = 50;

export class FailureLog implements Task {
  readonly #loop: Loop;
  readonly #send: (batch: FailureBatch) => void;
  #failures: Failure[] = [];
  #suppressed = 0;
  #isWaiting = false;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(loop: Loop, send: (batch: FailureBatch) => void) {
    this.#loop = loop;
    this.#send = send;
  }

  /** `describe` is called only for a failure that is going to be told. */
  add(describe: () => Failure): void {
    if (this.#failures.length < FAILURES_PER_BATCH) this.#failures.push(describe());
    else this.#suppressed++;
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#loop.after(Math.max(FIRST_BATCH_MS, this.#lastAt + BATCH_MS - this.#loop.now), this);
  }

  onTimer(now: number): void {
    this.#isWaiting = false;
    this.flush();
    this.#lastAt = now;
  }

  /** Sends what there is. */
  flush(): void {
    if (this.#failures.length === 0) return;
    this.#send({ failures: this.#failures, suppressed: this.#suppressed });
    this.#failures = [];
    this.#suppressed = 0;
  }
}
