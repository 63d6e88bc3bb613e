/** A listening socket: accepts, and never waits for anything else. */
import { EAGAIN, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPOLLIN } from "./constants.ts";
import type { Watcher } from "./epoll.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import { accept } from "./sockets.ts";
import type { Task } from "./timers.ts";
import type { SourceClass } from "./types.ts";

/** Clients accepted before others get their turn. */
const ACCEPTS_PER_TURN = 64;
/** How long nobody is accepted after descriptors or memory have run out. */
const PAUSE_MS = 100;

const SHORTAGES: readonly number[] = [EMFILE, ENFILE, ENOBUFS, ENOMEM];

/** What a listener is part of. */
export interface AcceptOwner {
  readonly loop: Loop;
  /** A client is connected to `fd`; its address is at `PEER_AT`. */
  onAccepted(listener: TcpListener, fd: number): void;
  /** A client waits that cannot be accepted for want of descriptors or memory. */
  onShortage(listener: TcpListener): void;
}

export class TcpListener implements Watcher, Task {
  readonly fd: number;
  readonly source: SourceClass;
  /** AF_INET or AF_INET6. */
  readonly family: number;
  readonly #owner: AcceptOwner;
  readonly #registration: number;
  #isClosed = false;

  /** Takes over a socket that listens. Throws a RelayError. */
  constructor(owner: AcceptOwner, fd: number, source: SourceClass, family: number) {
    this.#owner = owner;
    this.fd = fd;
    this.source = source;
    this.family = family;
    this.#registration = owner.loop.watch(fd, EPOLLIN, this);
  }

  onReady(): void {
    for (let accepted = 0; accepted < ACCEPTS_PER_TURN && !this.#isClosed; accepted++) {
      const fd = accept(this.fd);
      if (fd >= 0) this.#owner.onAccepted(this, fd);
      else if (SHORTAGES.includes(-fd)) {
        this.#pause();
        return;
      } else if (fd === -EAGAIN) return;
      // A client that has gone (ECONNABORTED), or one of the network errors that accept(2) passes on.
      else if (fd !== -EINTR) accepted++;
    }
  }

  onTimer(): void {
    if (!this.#isClosed) this.#owner.loop.epoll.change(this.#registration, this.fd, EPOLLIN);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#owner.loop.epoll.forget(this.#registration);
    libc.close(this.fd);
  }

  #pause(): void {
    this.#owner.onShortage(this);
    this.#owner.loop.epoll.change(this.#registration, this.fd, 0);
    this.#owner.loop.after(PAUSE_MS, this);
  }
}
