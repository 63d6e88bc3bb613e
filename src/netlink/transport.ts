/** The seam between the protocol and the kernel: datagrams out, datagrams in. */
import { closeSync } from "node:fs";
import { constants, endianness } from "node:os";
import { isNetlinkError, NetlinkError } from "./errors.ts";
import { connect, getsockname, MSG_DONTWAIT, recv, SOCK_CLOEXEC, send, setsockopt, socket } from "./libc.ts";

/** Carries datagrams. Everything throws a NetlinkError; `receive` throws ENOBUFS when replies were lost. */
export interface Transport {
  /** The socket's own address: the kernel repeats it in answers, and in notifications of what this socket changed. */
  readonly portId: number;
  send(datagram: Uint8Array): void;
  /** A datagram, valid until the next call, or undefined when none is waiting. Never blocks. */
  receive(): Buffer | undefined;
  /** Joins or leaves a multicast group; notifications are then received like answers. */
  setMembership(group: number, member: boolean): void;
  close(): void;
}

/** Sizes of the kernel's socket buffers, in bytes; the system's default when not set. Raising them takes CAP_NET_ADMIN. */
export interface TransportOptions {
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
}

// linux/netlink.h, asm-generic/socket.h, linux/socket.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_DROP_MEMBERSHIP = 2;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const MSG_TRUNC = 0x20;

/** A nested attribute ends at 64 KiB; a dump fills at most 32 KiB a datagram. */
const DATAGRAM_BYTES = 128 * 1024;

/**
 * Opens a netlink socket in the process's network namespace.
 *
 * Receiving never waits: the kernel handles a request inside send(2) and produces each part of a dump inside recv(2),
 * so the answer is queued by the time it is asked for. A blocking `fs.read` on the descriptor would hold a libuv thread,
 * and process.exit joins those threads and hangs. So notifications of a multicast group are fetched by a timer.
 */
export function openTransport(protocol: number, options: TransportOptions = {}): Transport {
  if (endianness() !== "LE") throw new Error("netlink: only little-endian machines are supported");
  const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  try {
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    if (options.receiveBufferBytes !== undefined) {
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes);
    }
    if (options.sendBufferBytes !== undefined) {
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, options.sendBufferBytes);
    }
    // To port 0, the kernel: from now on no other process can send to this socket, while the kernel's multicasts still
    // arrive. It also binds it to a port of its own.
    const address = kernelAddress();
    connect(fd, address);
    getsockname(fd, address);
    return new KernelTransport(fd, address.readUInt32LE(4));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_nl: family, padding, port id 0, no groups. */
function kernelAddress(): Buffer {
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK);
  return address;
}

class KernelTransport implements Transport {
  readonly portId: number;
  #fd: number;
  readonly #scratch = Buffer.allocUnsafeSlow(DATAGRAM_BYTES);

  constructor(fd: number, portId: number) {
    this.#fd = fd;
    this.portId = portId;
  }

  send(datagram: Uint8Array): void {
    send(this.#fd, datagram, 0);
  }

  receive(): Buffer | undefined {
    let length: number;
    try {
      length = recv(this.#fd, this.#scratch, MSG_DONTWAIT | MSG_TRUNC);
    } catch (error) {
      if (isNetlinkError(error, "EAGAIN")) return undefined;
      throw error;
    }
    if (length > this.#scratch.length) {
      throw new NetlinkError(`receive netlink message of ${length} bytes`, {
        errno: constants.errno.EMSGSIZE,
      });
    }
    return this.#scratch.subarray(0, length);
  }

  setMembership(group: number, member: boolean): void {
    setsockopt(this.#fd, SOL_NETLINK, member ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, group);
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    // Another file may get the same number: a late call must fail with EBADF instead of using it.
    this.#fd = -1;
  }
}
