/** A UDP socket that clients' datagrams are redirected to. */
import { EPOLLIN, MSG_DONTWAIT } from "./constants.ts";
import type { Watcher } from "./epoll.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import type { PacketMemory } from "./packet-memory.ts";
import type { SourceClass } from "./types.ts";

/** Datagrams taken before others get their turn. */
const DATAGRAMS_PER_TURN = 64;

/** What a listener is part of. */
export interface DatagramOwner {
  readonly loop: Loop;
  readonly packets: PacketMemory;
  /** A datagram is in `packets`. */
  onDatagram(listener: UdpListener, length: number): void;
}

export class UdpListener implements Watcher {
  readonly fd: number;
  readonly source: SourceClass;
  readonly port: number;
  /** Distinguishes its clients from those of other listeners. */
  readonly prefix: string;
  readonly #owner: DatagramOwner;
  readonly #registration: number;

  /** Takes over a bound socket. Throws a RelayError. */
  constructor(owner: DatagramOwner, fd: number, source: SourceClass, port: number) {
    this.#owner = owner;
    this.fd = fd;
    this.source = source;
    this.port = port;
    this.prefix = `${fd}:`;
    this.#registration = owner.loop.watch(fd, EPOLLIN, this);
  }

  onReady(): void {
    for (let count = 0; count < DATAGRAMS_PER_TURN; count++) {
      const length = this.#owner.packets.receive(this.fd, MSG_DONTWAIT);
      // EAGAIN; or an error that belongs to an earlier reply, which reading has cleared.
      if (length < 0) return;
      this.#owner.onDatagram(this, length);
    }
  }

  close(): void {
    this.#owner.loop.epoll.forget(this.#registration);
    libc.close(this.fd);
  }
}
