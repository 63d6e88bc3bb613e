/** Datagrams to the Unix socket of another process: Node has streams only. */
import { closeSync } from "node:fs";
import { connect, MSG_DONTWAIT, SOCK_CLOEXEC, send, socket } from "../netlink/libc.ts";

// sys/socket.h, sys/un.h
export const AF_UNIX = 1;
export const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
/** Room for the name in struct sockaddr_un, without the zero that ends a path. */
const NAME_BYTES = 107;

/**
 * Sends one datagram to the socket at an absolute path, or, after `@`, of an abstract name. Never waits. Throws a
 * RangeError for what cannot be an address and a NetlinkError for the rest: ENOENT or ECONNREFUSED when nobody listens,
 * EAGAIN when the receiver's queue is full.
 */
export function sendUnixDatagram(address: string, text: string): void {
  const to = encodeUnixAddress(address);
  const bytes = Buffer.from(text);
  // A socket for each: the receiver may have been replaced by another one at the same path.
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    connect(fd, to);
    send(fd, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  } finally {
    closeSync(fd);
  }
}

/** struct sockaddr_un: | family (u16) | path and zero, or zero and abstract name |. Throws a RangeError. */
export function encodeUnixAddress(address: string): Buffer {
  const name = Buffer.from(address);
  if (!/^(?:\/|@.)[^\0]*$/s.test(address) || name.length > NAME_BYTES) {
    const allowed = `an absolute path, or @ and a name, of at most ${NAME_BYTES} bytes`;
    throw new RangeError(
      `not the address of a Unix socket: ${JSON.stringify(address)}; allowed is ${allowed}`,
    );
  }
  const isAbstract = address.startsWith("@");
  const bytes = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1));
  bytes.writeUInt16LE(AF_UNIX);
  bytes.set(name, 2);
  if (isAbstract) bytes[2] = 0;
  return bytes;
}
