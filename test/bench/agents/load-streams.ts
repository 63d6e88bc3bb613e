/** Bulk data, on several connections at a time. */
import { Epoll } from "../../../src/relay/epoll.ts";
import * as libc from "../../../src/relay/libc.ts";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { connectTo, openSocket } from "../../../src/relay/sockets.ts";
import type { Amount, Way } from "./load-client.ts";
import {
  AF_INET,
  DISCARD,
  EAGAIN,
  EINPROGRESS,
  EPOLLIN,
  EPOLLOUT,
  MSG_NOSIGNAL,
  SHUT_WR,
  SOCK_STREAM,
} from "./load-constants.ts";

const WRITE_BYTES = 128 * 1024;
const PATIENCE_MS = 5_000;

const buffer = libc.allocate(WRITE_BYTES);

class Stream {
  readonly #epoll: Epoll;
  readonly #fd: number;
  readonly #registration: number;
  sent = 0;
  /** The other end has read everything. */
  isOver = false;

  constructor(epoll: Epoll, address: Buffer) {
    this.#epoll = epoll;
    this.#fd = openSocket(AF_INET, SOCK_STREAM);
    const result = connectTo(this.#fd, address);
    if (result < 0 && result !== -EINPROGRESS) throw new Error(`connect: errno ${-result}`);
    this.#registration = epoll.add(this.#fd, EPOLLOUT, this);
  }

  /** One write per turn, so that all get theirs. */
  onReady(events: number): void {
    if ((events & EPOLLIN) !== 0) {
      const end = libc.recv(this.#fd, buffer.address, 1, 0);
      if (end !== 0) throw new Error(`a stream broke: ${end}`);
      this.isOver = true;
      this.#epoll.forget(this.#registration);
      libc.close(this.#fd);
      return;
    }
    const sent = libc.send(this.#fd, buffer.address, WRITE_BYTES, MSG_NOSIGNAL);
    if (sent >= 0) this.sent += sent;
    else if (sent !== -EAGAIN) throw new Error(`a stream broke: errno ${-sent}`);
  }

  /** No more is sent; what is on its way still arrives. */
  finish(): void {
    libc.shutdown(this.#fd, SHUT_WR);
    this.#epoll.change(this.#registration, this.#fd, EPOLLIN);
  }
}

/** Sends for so long; returns bytes, and the time until the pods have read the last. Throws when a stream breaks. */
export function runStreams({ way, streams, ms }: { way: Way; streams: number; ms: number }): Amount {
  buffer.bytes.fill(DISCARD);
  const epoll = new Epoll();
  const fail = (error: unknown): never => {
    throw error;
  };
  const turn = (): void => {
    epoll.wait(PATIENCE_MS);
    epoll.dispatch(fail);
  };
  const started = performance.now();
  const addresses = way.hosts.map((host) => encodeSocketAddress(host, way.port));
  const all = Array.from({ length: streams }, (_, i) => new Stream(epoll, addresses[i % addresses.length]!));
  while (performance.now() - started < ms) turn();
  for (const stream of all) stream.finish();
  while (all.some(({ isOver }) => !isOver)) turn();
  const elapsed = performance.now() - started;
  epoll.close();
  return { units: all.reduce((sum, { sent }) => sum + sent, 0), ms: elapsed };
}
