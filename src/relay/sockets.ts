/** Socket calls in the terms of the relay, over one piece of scratch memory. Negative results are errnos. */
import { AF_INET } from "../netlink/inet.ts";
import {
  EACCES,
  IPPROTO_IP,
  IPPROTO_IPV6,
  ORIGINAL_DST,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "./constants.ts";
import * as libc from "./libc.ts";
import { SOCKADDR_BYTES } from "./socket-address.ts";

/** Parts of the scratch memory: the peer of an accepted socket, an address to use, a length, an option's value. */
const PEER = 0;
const ADDRESS = 32;
const LENGTH = 64;
const VALUE = 72;
const LINGER = 80;

const scratch = libc.allocate(96);
/** struct linger: on, 0 seconds. */
scratch.bytes.writeInt32LE(1, LINGER);

/** The scratch memory's bytes: `PEER_AT` holds the address of the last accepted socket, `ADDRESS_AT` one that was asked for. */
export const addressBytes: Buffer = scratch.bytes;
export const PEER_AT = PEER;
export const ADDRESS_AT = ADDRESS;

/** A socket that never blocks, or an errno. */
export function openSocket(family: number, type: number): number {
  return libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/** setsockopt with an int. */
export function setOption(fd: number, level: number, name: number, value: number): number {
  scratch.bytes.writeInt32LE(value, VALUE);
  return libc.setsockopt(fd, level, name, scratch.address + VALUE, 4);
}

export function bindTo(fd: number, address: Buffer): number {
  return libc.bind(fd, place(address), address.length);
}

/** EINPROGRESS is the ordinary result. */
export function connectTo(fd: number, address: Buffer): number {
  return libc.connect(fd, place(address), address.length);
}

/** Accepts a connection; its peer is then at `PEER_AT`. */
export function accept(listener: number): number {
  scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
  return libc.accept4(
    listener,
    scratch.address + PEER,
    scratch.address + LENGTH,
    SOCK_NONBLOCK | SOCK_CLOEXEC,
  );
}

/**
 * Puts at `ADDRESS_AT` where the client of an accepted socket wanted to go: as connection tracking has it, else (nothing
 * was translated, or TPROXY) the socket's own address.
 */
export function readDestination(fd: number, family: number): number {
  scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
  const level = family === AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  const [address, length] = [scratch.address + ADDRESS, scratch.address + LENGTH];
  if (libc.getsockopt(fd, level, ORIGINAL_DST, address, length) === 0) return 0;
  return readOwnAddress(fd);
}

/** Puts a socket's own address at `ADDRESS_AT`. */
export function readOwnAddress(fd: number): number {
  scratch.bytes.writeUInt32LE(SOCKADDR_BYTES, LENGTH);
  return libc.getsockname(fd, scratch.address + ADDRESS, scratch.address + LENGTH);
}

/** Takes the pending error of a socket: an errno (positive), 0 when there is none. */
export function takeError(fd: number): number {
  scratch.bytes.writeUInt32LE(4, LENGTH);
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, scratch.address + VALUE, scratch.address + LENGTH);
  return result < 0 ? EACCES : scratch.bytes.readInt32LE(VALUE);
}

/** Closes a TCP socket with RST instead of FIN; what it has not sent is lost. */
export function closeWithReset(fd: number): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, scratch.address + LINGER, 8);
  libc.close(fd);
}

function place(address: Buffer): number {
  addressBytes.set(address, ADDRESS);
  return scratch.address + ADDRESS;
}
