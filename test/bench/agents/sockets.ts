/** TCP over IPv4 straight through libc: connections at the kernel's pace, a tenth of what they cost through Node.js. */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";

const libc = koffi.load(null);
const nativeSocket = libc.func("int socket(int domain, int type, int protocol)");
const nativeConnect = libc.func("int connect(int fd, const void *address, uint32_t length)");
const nativeBind = libc.func("int bind(int fd, const void *address, uint32_t length)");
const nativeListen = libc.func("int listen(int fd, int backlog)");
const nativeSetsockopt = libc.func(
  "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
);

// linux/socket.h, asm-generic/socket.h
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const SO_SNDTIMEO = 21;

/** The kernel cuts it to net.core.somaxconn. */
const BACKLOG = 65_535;

/** struct linger {1, 0}: closing sends a reset, so that neither this end nor connection tracking waits for stragglers. */
const RESET_ON_CLOSE = Buffer.from(Int32Array.of(1, 0).buffer);
const ON = Buffer.from(Int32Array.of(1).buffer);
/** struct timeval: how long connect waits. */
const CONNECT_TIMEOUT = Buffer.from(BigInt64Array.of(0n, 500_000n).buffer);

const { EINPROGRESS, ECONNREFUSED } = constants.errno;

/** struct sockaddr_in: family in host order, port in network order, address, padding. */
export function socketAddress(host: string, port: number): Uint8Array {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(host.split(".").map(Number), 4);
  return address;
}

/** Connects and resets the connection at once. Returns whether it was established within half a second. */
export function connectAndReset(address: Uint8Array): boolean {
  const fd = open(0);
  try {
    nativeSetsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, CONNECT_TIMEOUT, CONNECT_TIMEOUT.length);
    return nativeConnect(fd, address, address.length) === 0;
  } finally {
    closeSync(fd);
  }
}

/** Sends the first packet of a connection and does not wait for the answer; closing the descriptor resets it. */
export function beginConnect(address: Uint8Array): number {
  const fd = open(SOCK_NONBLOCK);
  if (nativeConnect(fd, address, address.length) < 0) {
    const errno = koffi.errno();
    if (errno !== EINPROGRESS && errno !== ECONNREFUSED) {
      closeSync(fd);
      throw new Error(`connect: errno ${errno}`);
    }
  }
  return fd;
}

/**
 * A socket that the kernel completes handshakes on and nobody accepts from. Another may listen at all addresses, if it
 * has SO_REUSEPORT too: the kernel prefers the one at the exact address.
 */
export function listenSilently(host: string, port: number): number {
  const fd = open(0);
  const address = socketAddress(host, port);
  nativeSetsockopt(fd, SOL_SOCKET, SO_REUSEPORT, ON, ON.length);
  if (nativeBind(fd, address, address.length) < 0 || nativeListen(fd, BACKLOG) < 0) {
    const errno = koffi.errno();
    closeSync(fd);
    throw new Error(`listen on ${host}:${port}: errno ${errno}`);
  }
  return fd;
}

function open(flags: number): number {
  const fd = nativeSocket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) throw new Error(`socket: errno ${koffi.errno()}`);
  nativeSetsockopt(fd, SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE, RESET_ON_CLOSE.length);
  return fd;
}
