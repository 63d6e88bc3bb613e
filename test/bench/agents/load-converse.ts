/** Small requests on an open connection, one after the other. */

import * as libc from "../../../src/relay/libc.ts";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { connectTo } from "../../../src/relay/sockets.ts";
import type { Way } from "./load-client.ts";
import {
  AF_INET,
  ECHO,
  MSG_NOSIGNAL,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./load-constants.ts";

export const REQUEST_BYTES = 64;
/** Before anything is timed: until then the connection is not set up all the way. */
const WARM_UP = 50;

const buffer = libc.allocate(REQUEST_BYTES);
/** struct timeval: seconds, microseconds. */
const timeval = libc.allocate(16);
const PATIENCE_MS = 5_000;
/**
 * Before a Service is there, nobody answers a client, whose kernel asks again only after a second. One that comes back
 * sooner notices the Service when it is there.
 */
const CONNECT_PATIENCE_MS = 20;

/** Connects, asks once and ends the connection; whether there was an answer. Gives up soon where nobody takes it. */
export function askOnce(address: Buffer): boolean {
  const fd = open(CONNECT_PATIENCE_MS);
  const isAnswered = connectTo(fd, address) === 0 && exchange(fd);
  libc.close(fd);
  return isAnswered;
}

export class Converser {
  readonly #fd = open(PATIENCE_MS);

  /** Connects to the first host. */
  constructor({ hosts, port }: Way) {
    const result = connectTo(this.#fd, encodeSocketAddress(hosts[0]!, port));
    if (result < 0) throw new Error(`connect to ${hosts[0]}:${port}: errno ${-result}`);
    this.ask(WARM_UP);
  }

  /** Milliseconds that each request took. */
  ask(count: number): number[] {
    return Array.from({ length: count }, () => {
      const started = performance.now();
      if (!exchange(this.#fd)) throw new Error("a request was not answered");
      return performance.now() - started;
    });
  }

  close(): void {
    libc.close(this.#fd);
  }
}

/** A socket that waits for what it does, but not forever; to connect, and to send, for so many milliseconds. */
function open(sendPatienceMs: number): number {
  const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`socket: errno ${-fd}`);
  setPatience(fd, SO_RCVTIMEO, PATIENCE_MS);
  setPatience(fd, SO_SNDTIMEO, sendPatienceMs);
  return fd;
}

function setPatience(fd: number, option: number, milliseconds: number): void {
  timeval.bytes.writeBigInt64LE(BigInt(Math.floor(milliseconds / 1_000)), 0);
  timeval.bytes.writeBigInt64LE(BigInt((milliseconds % 1_000) * 1_000), 8);
  libc.setsockopt(fd, SOL_SOCKET, option, timeval.address, timeval.bytes.length);
}

function exchange(fd: number): boolean {
  buffer.bytes[0] = ECHO;
  libc.send(fd, buffer.address, REQUEST_BYTES, MSG_NOSIGNAL);
  for (let received = 0; received < REQUEST_BYTES; ) {
    const more = libc.recv(fd, buffer.address, REQUEST_BYTES, 0);
    if (more <= 0) return false;
    received += more;
  }
  return true;
}
