/** Pipes for splice(2), which moves pages of a socket's data into another socket without copying them. */
import { F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import * as libc from "./libc.ts";

/** 256 slots of a page or less: received data often leaves pages half full. The system's limit for unprivileged users. */
const PIPE_BYTES = 1024 * 1024;

export interface Pipe {
  readonly from: number;
  readonly to: number;
}

/** Lends pipes, so many at a time; some are kept for the next borrower. */
export class Pipes {
  readonly #limit: number;
  readonly #kept: number;
  readonly #free: Pipe[] = [];
  readonly #fds = libc.allocate(8);
  #count = 0;

  constructor(limit: number, kept: number) {
    this.#limit = limit;
    this.#kept = kept;
  }

  /** An empty pipe; undefined when there are enough, or the kernel gives none. */
  borrow(): Pipe | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#count >= this.#limit) return undefined;
    if (libc.pipe2(this.#fds.address, O_NONBLOCK | O_CLOEXEC) < 0) return undefined;
    this.#count++;
    const pipe = { from: this.#fds.bytes.readInt32LE(0), to: this.#fds.bytes.readInt32LE(4) };
    // A refusal, for want of memory for pipes, leaves it at its default size.
    libc.fcntl(pipe.to, F_SETPIPE_SZ, PIPE_BYTES);
    return pipe;
  }

  /** Takes back a pipe; one that is not empty is closed. */
  giveBack(pipe: Pipe, isEmpty: boolean): void {
    if (isEmpty && this.#free.length < this.#kept) this.#free.push(pipe);
    else this.#close(pipe);
  }

  /** Closes those that nobody has. */
  close(): void {
    for (const pipe of this.#free.splice(0)) this.#close(pipe);
  }

  #close(pipe: Pipe): void {
    libc.close(pipe.from);
    libc.close(pipe.to);
    this.#count--;
  }
}
