/** Netfilter's netlink family: the struct nfgenmsg header and message types (linux/netfilter/nfnetlink.h). */
import { AttributeReader, AttributeWriter } from "./attributes.ts";
import type { NetlinkMessage } from "./messages.ts";

/** linux/netlink.h */
export const NETLINK_NETFILTER = 12;

/** struct nfgenmsg: family (u8), version (u8, always 0), resource id (be16). */
const HEADER_BYTES = 4;

/** NFNL_SUBSYS_… in the upper byte, the subsystem's message in the lower. */
export function nfnetlinkType(subsystem: number, message: number): number {
  return (subsystem << 8) | message;
}

/** A writer behind an nfgenmsg of the given address family. */
export function nfnetlinkWriter(family: number): AttributeWriter {
  return new AttributeWriter(Uint8Array.of(family, 0, 0, 0));
}

/** A reader of the attributes behind the nfgenmsg. */
export function nfnetlinkReader(message: NetlinkMessage): AttributeReader {
  return new AttributeReader(message.payload, HEADER_BYTES);
}
