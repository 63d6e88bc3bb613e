/** A client's connection and the one to its endpoint. */
import {
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NOTSENT_LOWAT,
  TCP_USER_TIMEOUT,
} from "./constants.ts";
import type { Endpoint } from "./endpoint.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import type { Pipes } from "./pipes.ts";
import { Side } from "./side.ts";
import { closeWithReset, setOption } from "./sockets.ts";
import type { Half, Pair } from "./transfer.ts";
import type { RelaySettings } from "./types.ts";
import type { VirtualPort } from "./virtual-port.ts";

/** What a connection is part of. */
export interface ConnectionOwner {
  readonly loop: Loop;
  readonly pipes: Pipes;
  readonly settings: RelaySettings;
  /** Called once, after the sockets are closed. */
  onClosed(connection: Connection): void;
}

/** Data that a socket may hold unsent: a peer that reads nothing costs little more. In bytes. */
export const UNSENT_BYTES = 256 * 1024;

/** In place of a registration's number. */
const NOT_WATCHED = -1;

/** Lost keepalive probes that end a connection. */
export const KEEPALIVE_PROBES = 4;

export class Connection implements Pair {
  readonly port: VirtualPort;
  readonly endpoint: Endpoint;
  /** Key of the client's address. */
  readonly client: string;
  readonly clientSide: Side;
  readonly endpointSide: Side;
  isClosed = false;
  readonly #owner: ConnectionOwner;

  /** Takes over two connected sockets, of which that of the endpoint is watched. */
  constructor(
    owner: ConnectionOwner,
    target: { readonly port: VirtualPort; readonly endpoint: Endpoint; readonly client: string },
    clientFd: number,
    endpoint: { readonly fd: number; readonly registration: number },
  ) {
    this.#owner = owner;
    this.port = target.port;
    this.endpoint = target.endpoint;
    this.client = target.client;
    this.clientSide = new Side(this, clientFd, NOT_WATCHED, true);
    this.endpointSide = new Side(this, endpoint.fd, endpoint.registration, false);
  }

  get loop(): Loop {
    return this.#owner.loop;
  }

  get pipes(): Pipes {
    return this.#owner.pipes;
  }

  /** Begins to watch the client, if the connection is not over yet. One that cannot be watched is reset. */
  watchClient(events: number): void {
    if (this.isClosed) return;
    try {
      this.clientSide.registration = this.loop.watch(this.clientSide.fd, events, this.clientSide);
    } catch {
      this.reset();
    }
  }

  countBytes(from: Half, count: number): void {
    if (from.isClient) {
      this.port.counters.bytesToEndpoint += count;
      this.endpoint.counters.bytesToEndpoint += count;
    } else {
      this.port.counters.bytesToClient += count;
      this.endpoint.counters.bytesToClient += count;
    }
  }

  /** What only matters to connections that last, and is therefore not set at their start. */
  settle(): void {
    if (this.isClosed) return;
    const { fd } = this.endpointSide;
    setKeepalive(fd, this.#owner.settings.keepaliveMs);
    setOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, this.#owner.settings.endpointTimeoutMs);
    setOption(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  }

  end(): void {
    this.#close(libc.close);
  }

  abort(culprit: Half): void {
    if (culprit.isClient) {
      this.port.counters.resetByClient++;
      this.endpoint.counters.resetByClient++;
    } else {
      this.port.counters.resetByEndpoint++;
      this.endpoint.counters.resetByEndpoint++;
    }
    this.reset();
  }

  /** Ends both sides with RST. */
  reset(): void {
    this.#close(closeWithReset);
  }

  releasePipe(side: Half): void {
    if (side.pipe === undefined) return;
    this.pipes.giveBack(side.pipe, side.inPipe === 0);
    side.pipe = undefined;
  }

  #close(close: (fd: number) => void): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const side of [this.clientSide, this.endpointSide]) {
      this.loop.epoll.forget(side.registration);
      close(side.fd);
      this.releasePipe(side);
      side.pending = undefined;
    }
    this.#owner.onClosed(this);
  }
}

/** Makes the kernel notice a peer that has vanished. */
export function setKeepalive(fd: number, milliseconds: number): void {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}
