/** One of the two sockets of a connection. */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./constants.ts";
import type { Watcher } from "./epoll.ts";
import type { Pipe } from "./pipes.ts";
import { type Half, type Pair, type Pending, transfer } from "./transfer.ts";

export class Side implements Half, Watcher {
  readonly pair: Pair;
  readonly isClient: boolean;
  readonly fd: number;
  /** Number of the registration with epoll. */
  registration: number;
  readable = false;
  hungUp = false;
  ended = false;
  finished = false;
  pending: Pending | undefined;
  pipe: Pipe | undefined;
  inPipe = 0;
  streak = 0;
  isQueued = false;

  constructor(pair: Pair, fd: number, registration: number, isClient: boolean) {
    this.pair = pair;
    this.fd = fd;
    this.registration = registration;
    this.isClient = isClient;
  }

  get other(): Half {
    return this.isClient ? this.pair.endpointSide : this.pair.clientSide;
  }

  onReady(events: number): void {
    const { pair } = this;
    if (pair.isClosed) return;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) !== 0) {
      this.hungUp = true;
      this.readable = true;
    } else if ((events & EPOLLIN) !== 0) this.readable = true;
    if (this.readable) transfer(this);
    if ((events & EPOLLOUT) !== 0 && !pair.isClosed) transfer(this.other);
    // What could still be read before the error has been; or it cannot be, as the other side takes nothing.
    if ((events & EPOLLERR) !== 0 && !pair.isClosed) pair.abort(this);
  }

  resume(): void {
    this.isQueued = false;
    transfer(this);
  }
}
