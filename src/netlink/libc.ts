/** The libc calls that Node lacks, but for the relay's. Each throws a NetlinkError with the errno. */
import { constants } from "node:os";
import koffi from "koffi";
import { NetlinkError } from "./errors.ts";

// linux/net.h, linux/socket.h
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_DONTWAIT = 0x40;

const libc = koffi.load(null);

const nativeSocket = libc.func("int socket(int domain, int type, int protocol)");
const nativeConnect = libc.func("int connect(int fd, const void *address, uint32_t length)");
const nativeSetsockopt = libc.func(
  "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
);
const nativeGetsockname = libc.func("int getsockname(int fd, void *address, void *length)");
const nativeSend = libc.func("intptr_t send(int fd, const void *buffer, size_t length, int flags)");
const nativeRecv = libc.func("intptr_t recv(int fd, void *buffer, size_t length, int flags)");
const nativeMadvise = libc.func("int madvise(uintptr_t address, size_t length, int advice)");

const { EINTR } = constants.errno;

/** socket(2); returns a descriptor. */
export function socket(domain: number, type: number, protocol: number): number {
  return retried("open socket", () => nativeSocket(domain, type, protocol));
}

/** connect(2) to a struct sockaddr given as bytes. */
export function connect(fd: number, address: Uint8Array): void {
  retried("connect socket", () => nativeConnect(fd, address, address.length));
}

/** setsockopt(2) with an int value. */
export function setsockopt(fd: number, level: number, name: number, value: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  retried(`set socket option ${level}/${name}`, () => nativeSetsockopt(fd, level, name, bytes, bytes.length));
}

/** getsockname(2) into `address`, which must be long enough. */
export function getsockname(fd: number, address: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  retried("get socket address", () => nativeGetsockname(fd, address, length));
}

/** send(2); returns the bytes sent. */
export function send(fd: number, bytes: Uint8Array, flags: number): number {
  return retried("send message", () => nativeSend(fd, bytes, bytes.length, flags));
}

/** recv(2) into `buffer`; returns the bytes received (the datagram's full length with MSG_TRUNC). */
export function recv(fd: number, buffer: Uint8Array, flags: number): number {
  return retried("receive message", () => nativeRecv(fd, buffer, buffer.length, flags));
}

/** madvise(2). */
export function madvise(address: number, length: number, advice: number): void {
  retried("advise on memory", () => nativeMadvise(address, length, advice));
}

function retried(operation: string, call: () => number): number {
  for (;;) {
    const result = call();
    if (result >= 0) return result;
    const errno = koffi.errno();
    if (errno !== EINTR) throw new NetlinkError(operation, { errno });
  }
}
