/**
 * Netlink messages (struct nlmsghdr, linux/netlink.h; RFC 3549) as a pure codec. All header fields are in host order.
 *
 *     0            4        6        8          12        16
 *     +------------+--------+--------+----------+---------+-----------------+---------+
 *     | length     | type   | flags  | sequence | port id | payload         | padding |
 *     +------------+--------+--------+----------+---------+-----------------+---------+
 */
import { align4, NetlinkFormatError } from "./attributes.ts";

/** Bytes of struct nlmsghdr. */
export const HEADER_BYTES = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** The table changed while it was dumped: the answer may lack or repeat entries. */
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In an NLMSG_ERROR or NLMSG_DONE: only the header of the request is repeated. */
export const NLM_F_CAPPED = 0x100;
/** In an NLMSG_ERROR or NLMSG_DONE: extended-ack attributes follow. */
export const NLM_F_ACK_TLVS = 0x200;

/** A message to the kernel, before it gets a sequence number. */
export interface NetlinkRequest {
  readonly type: number;
  /** NLM_F_REQUEST is added by the socket. */
  readonly flags: number;
  /** The family's fixed header and the attributes. */
  readonly payload: Uint8Array;
}

/** A received message. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of the socket that the message answers or, in a notification, that made the change; 0 = the kernel itself. */
  readonly portId: number;
  readonly payload: Buffer;
}

/** Encodes requests one after another into one datagram, numbered from `firstSequence` on. */
export function encodeRequests(requests: readonly NetlinkRequest[], firstSequence: number): Buffer {
  const lengths = requests.map((request) => HEADER_BYTES + request.payload.length);
  const datagram = Buffer.alloc(lengths.reduce((sum, length) => sum + align4(length), 0));
  let offset = 0;
  for (const [index, request] of requests.entries()) {
    const length = HEADER_BYTES + request.payload.length;
    datagram.writeUInt32LE(length, offset);
    datagram.writeUInt16LE(request.type, offset + 4);
    datagram.writeUInt16LE(request.flags, offset + 6);
    datagram.writeUInt32LE((firstSequence + index) >>> 0, offset + 8);
    // Port id 0: the kernel puts in the socket's own.
    datagram.set(request.payload, offset + HEADER_BYTES);
    offset += align4(length);
  }
  return datagram;
}

/** Splits a datagram into its messages; payloads are views of it. Throws a NetlinkFormatError on a truncated message. */
export function decodeMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset < datagram.length) {
    const left = datagram.length - offset;
    const length = left < HEADER_BYTES ? 0 : datagram.readUInt32LE(offset);
    if (length < HEADER_BYTES || length > left) {
      throw new NetlinkFormatError(`netlink message at offset ${offset} claims ${length} bytes of ${left}`);
    }
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      portId: datagram.readUInt32LE(offset + 12),
      payload: datagram.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align4(length);
  }
  return messages;
}
