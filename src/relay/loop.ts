/** The worker's event loop: ready descriptors, then work put off, then timers. */
import { Epoll, type Watcher } from "./epoll.ts";
import { type Task, Timers } from "./timers.ts";

/**
 * The loop never sleeps longer, in milliseconds: the end of the process waits for the system call in which a worker is.
 * (The main thread wakes the worker at exit; this is for the case that it cannot.)
 */
const LONGEST_SLEEP_MS = 500;

/** Work that continues in the next turn, so that others get theirs. */
export interface Resumable {
  resume(): void;
}

export class Loop {
  readonly epoll = new Epoll();
  /** Milliseconds of a clock that never goes back, read when the loop wakes up. */
  now = performance.now();
  readonly #timers = new Timers();
  readonly #onError: (error: unknown, culprit: unknown) => void;
  #resumables: Resumable[] = [];

  /** `onError` gets what a watcher, task or resumable threw, and which it was. Throws a RelayError. */
  constructor(onError: (error: unknown, culprit: unknown) => void) {
    this.#onError = onError;
  }

  /** Watches a descriptor; returns the number of the registration. Throws a RelayError. */
  watch(fd: number, events: number, watcher: Watcher): number {
    return this.epoll.add(fd, events, watcher);
  }

  /** Calls `task` in so many milliseconds from the beginning of this turn. */
  after(milliseconds: number, task: Task): void {
    if (milliseconds !== Number.POSITIVE_INFINITY) this.#timers.add(this.now + milliseconds, task);
  }

  /** Calls `resumable` after the others had their turn. */
  again(resumable: Resumable): void {
    this.#resumables.push(resumable);
  }

  /** One turn. Throws a RelayError when waiting itself fails. */
  turn(): void {
    this.epoll.wait(this.#sleepMs());
    this.now = performance.now();
    this.epoll.dispatch(this.#onError);
    const resumables = this.#resumables;
    if (resumables.length > 0) this.#resumables = [];
    for (const resumable of resumables) this.#guarded(resumable, () => resumable.resume());
    this.#guarded(this, () => this.#timers.run(this.now));
  }

  close(): void {
    this.epoll.close();
  }

  #sleepMs(): number {
    if (this.#resumables.length > 0) return 0;
    const left = Math.ceil(this.#timers.next - performance.now());
    return Math.max(0, Math.min(left, LONGEST_SLEEP_MS));
  }

  #guarded(culprit: unknown, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#onError(error, culprit);
    }
  }
}
