/** One UDP client and its endpoint, with a socket that is connected to the endpoint. */
import {
  EAGAIN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENOENT,
  EPOLLIN,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_DGRAM,
} from "./constants.ts";
import type { Counters } from "./counters.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Watcher } from "./epoll.ts";
import { failureReason } from "./failure-reason.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import type { PacketMemory } from "./packet-memory.ts";
import { connectTo, openSocket } from "./sockets.ts";
import type { RelaySettings, SourceClass } from "./types.ts";
import type { VirtualPort } from "./virtual-port.ts";

/** Replies passed on before others get their turn. */
const REPLIES_PER_TURN = 32;
/** Endpoints tried for one datagram; sockets report the failure of the one before, so the first is hardly ever the last. */
const TRIES = 4;

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Where a client's datagrams come from and go to. */
export interface UdpClient {
  /** Distinguishes it from all others. */
  readonly key: string;
  /** Key of the address. */
  readonly host: string;
  /** Address as struct sockaddr. */
  readonly address: Buffer;
  /** Original destination: a key of `endpointKey`. */
  readonly destination: string;
  /** Local address, 4 or 16 bytes, that its datagrams arrive at and replies leave from. */
  readonly local: Buffer;
  /** Descriptor of the listener. */
  readonly listener: number;
  readonly source: SourceClass;
}

/** What an association is part of. */
export interface AssociationOwner {
  readonly loop: Loop;
  readonly settings: RelaySettings;
  readonly packets: PacketMemory;
}

export class Association implements Watcher {
  readonly client: UdpClient;
  readonly port: VirtualPort;
  endpoint: Endpoint | undefined;
  /** When something went either way. */
  usedAt: number;
  replies = 0;
  isClosed = false;
  readonly #owner: AssociationOwner;
  #fd = -1;
  #registration = 0;

  constructor(owner: AssociationOwner, client: UdpClient, port: VirtualPort) {
    this.#owner = owner;
    this.client = client;
    this.port = port;
    this.usedAt = owner.loop.now;
    port.counters.active++;
    port.counters.total++;
  }

  /** How long it may be idle, in milliseconds. */
  get idleMs(): number {
    const { udpIdleMs, udpStreamIdleMs } = this.#owner.settings;
    return this.replies > 1 ? udpStreamIdleMs : udpIdleMs;
  }

  /**
   * Sends a datagram from the shared memory to the endpoint, which is chosen now if there is none yet. Returns 0, or a
   * negative errno when there is no way to send; ENOENT stands for no endpoint.
   */
  send(length: number): number {
    this.usedAt = this.#owner.loop.now;
    let result = 0;
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#fd < 0) {
        result = this.#connect();
        if (result === -ENOENT || failureReason(-result) === "resources") return result;
      }
      if (result === 0) result = libc.send(this.#fd, this.#owner.packets.dataAddress, length, FLAGS);
      if (result >= 0) this.#count("bytesToEndpoint", length);
      // A full buffer, or a datagram too long for the way, costs the datagram and says nothing about the endpoint.
      if (result >= 0 || result === -EAGAIN || result === -EMSGSIZE) return 0;
      this.#fail(-result);
      result = 0;
    }
    return -EHOSTUNREACH;
  }

  /** Replies, or the news that an earlier datagram did not reach the endpoint. */
  onReady(): void {
    const { packets, loop } = this.#owner;
    for (let count = 0; count < REPLIES_PER_TURN && this.#fd >= 0; count++) {
      const length = libc.recv(this.#fd, packets.dataAddress, packets.dataBytes, FLAGS);
      if (length === -EAGAIN) return;
      if (length < 0) {
        this.#fail(-length);
        return;
      }
      this.usedAt = loop.now;
      this.replies++;
      this.#count("bytesToClient", length);
      packets.send(this.client.listener, this.client.address, this.client.local, length, FLAGS);
    }
  }

  /** Leaves the endpoint: the next datagram goes to another. */
  disconnect(): void {
    if (this.#fd < 0) return;
    this.#owner.loop.epoll.forget(this.#registration);
    libc.close(this.#fd);
    this.#fd = -1;
    const { endpoint } = this;
    this.endpoint = undefined;
    if (endpoint === undefined) return;
    endpoint.counters.active--;
    this.port.forget(endpoint);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.disconnect();
    this.port.counters.active--;
  }

  #connect(): number {
    const { source, host } = this.client;
    const endpoint = this.port.pick(source, host, [], this.#owner.loop.now);
    if (endpoint === undefined) return -ENOENT;
    const fd = openSocket(endpoint.address.readUInt16LE(0), SOCK_DGRAM);
    if (fd < 0) return fd;
    this.#registration = this.#owner.loop.watch(fd, EPOLLIN, this);
    this.#fd = fd;
    this.endpoint = endpoint;
    endpoint.counters.active++;
    endpoint.counters.total++;
    return connectTo(fd, endpoint.address);
  }

  #fail(errno: number): void {
    const { endpoint } = this;
    if (endpoint !== undefined) {
      endpoint.counters.failures[failureReason(errno)]++;
      endpoint.asideUntil = this.#owner.loop.now + this.#owner.settings.penaltyMs;
    }
    this.disconnect();
  }

  #count(counter: keyof Pick<Counters, "bytesToEndpoint" | "bytesToClient">, bytes: number): void {
    this.port.counters[counter] += bytes;
    if (this.endpoint !== undefined) this.endpoint.counters[counter] += bytes;
  }
}
