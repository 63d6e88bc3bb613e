/**
 * The memory for recvmsg(2) and sendmsg(2) of UDP datagrams with the local address that they came to or leave from. The
 * structs are those of 64-bit Linux:
 *
 *     msghdr:      | name (u64) | name length (u32) | - (4) | iov (u64) | iov count (u64) | control (u64) |
 *                  | control length (u64) | flags (u32) | - (4) |
 *     iovec:       | base (u64) | length (u64) |
 *     cmsghdr:     | length (u64) | level (u32) | type (u32) | data, padded to 8 |
 *     in_pktinfo:  | interface (u32) | local address (4) | destination of the datagram (4) |
 *     in6_pktinfo: | destination of the datagram, or local address (16) | interface (u32) |
 */
import { AF_INET } from "../netlink/inet.ts";
import { IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO } from "./constants.ts";
import * as libc from "./libc.ts";
import { SOCKADDR_BYTES, socketAddressLength } from "./socket-address.ts";

/** More than a datagram can have. */
const DATA_BYTES = 65536;

const CONTROL_BYTES = 64;
const CMSG_HEADER_BYTES = 16;
const PKTINFO_BYTES = 12;
const IN6_PKTINFO_BYTES = 20;

const HEADER = 0;
const IOV = 56;
const NAME = 72;
const CONTROL = 104;
const DATA = CONTROL + CONTROL_BYTES;

export class PacketMemory {
  readonly #memory = libc.allocate(DATA + DATA_BYTES);

  constructor() {
    this.#pointer(HEADER, NAME);
    this.#pointer(HEADER + 16, IOV);
    this.#number(HEADER + 24, 1);
    this.#pointer(HEADER + 32, CONTROL);
    this.#pointer(IOV, DATA);
  }

  get bytes(): Buffer {
    return this.#memory.bytes;
  }

  /** Where the datagram's data is in `bytes`. */
  get dataAt(): number {
    return DATA;
  }

  /** Address of the datagram's data. */
  get dataAddress(): number {
    return this.#memory.address + DATA;
  }

  /** Room for the data. */
  get dataBytes(): number {
    return DATA_BYTES;
  }

  /** Where the peer's struct sockaddr is in `bytes`. */
  get peerAt(): number {
    return NAME;
  }

  /** Receives a datagram: its length, or a negative errno. */
  receive(fd: number, flags: number): number {
    this.#memory.bytes.writeUInt32LE(SOCKADDR_BYTES, HEADER + 8);
    this.#number(HEADER + 40, CONTROL_BYTES);
    this.#number(IOV + 8, DATA_BYTES);
    return libc.recvmsg(fd, this.#memory.address + HEADER, flags);
  }

  /** Where the address (4 or 16 bytes) that the received datagram was sent to is in `bytes`; -1 if that was not told. */
  localAddressAt(): number {
    const { bytes } = this.#memory;
    const end = CONTROL + Math.min(Number(bytes.readBigUInt64LE(HEADER + 40)), CONTROL_BYTES);
    for (let at = CONTROL; at + CMSG_HEADER_BYTES <= end; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      const level = bytes.readUInt32LE(at + 8);
      const type = bytes.readUInt32LE(at + 12);
      if (level === IPPROTO_IP && type === IP_PKTINFO) return at + CMSG_HEADER_BYTES + 8;
      if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) return at + CMSG_HEADER_BYTES;
      if (length < CMSG_HEADER_BYTES) return -1;
      at += (length + 7) & ~7;
    }
    return -1;
  }

  /** Sends the data from the local address (4 or 16 bytes) to `peer`, a struct sockaddr; a length, or a negative errno. */
  send(fd: number, peer: Buffer, local: Buffer, length: number, flags: number): number {
    const { bytes } = this.#memory;
    bytes.set(peer, NAME);
    bytes.writeUInt32LE(socketAddressLength(bytes, NAME), HEADER + 8);
    this.#number(HEADER + 40, this.#writePacketInfo(peer[0] === AF_INET, local));
    this.#number(IOV + 8, length);
    return libc.sendmsg(fd, this.#memory.address + HEADER, flags);
  }

  /** Returns the bytes written. */
  #writePacketInfo(isIPv4: boolean, local: Buffer): number {
    const { bytes } = this.#memory;
    const data = CONTROL + CMSG_HEADER_BYTES;
    const length = isIPv4 ? PKTINFO_BYTES : IN6_PKTINFO_BYTES;
    bytes.fill(0, CONTROL, CONTROL + CONTROL_BYTES);
    this.#number(CONTROL, CMSG_HEADER_BYTES + length);
    bytes.writeUInt32LE(isIPv4 ? IPPROTO_IP : IPPROTO_IPV6, CONTROL + 8);
    bytes.writeUInt32LE(isIPv4 ? IP_PKTINFO : IPV6_PKTINFO, CONTROL + 12);
    bytes.set(local, isIPv4 ? data + 4 : data);
    return CMSG_HEADER_BYTES + ((length + 7) & ~7);
  }

  #pointer(at: number, to: number): void {
    this.#number(at, this.#memory.address + to);
  }

  /** A u64; numbers here stay far below 2^53. */
  #number(at: number, value: number): void {
    this.#memory.bytes.writeUInt32LE(value % 0x1_0000_0000, at);
    this.#memory.bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
  }
}
