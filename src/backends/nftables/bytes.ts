/** Keys and values of elements as the kernel has them: bytes in a latin1 string, every part padded to four. */
import { isIPv4 } from "node:net";
import type { Protocol } from "../../model/types.ts";
import { encodeAddress } from "../../netlink/inet.ts";

/** linux/in.h */
const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** An IP address: 4 or 16 bytes in network order. Throws a RangeError on any other text. */
export function address(ip: string): string {
  return isIPv4(ip) ? ipv4(ip) : encodeAddress(ip).toString("latin1");
}

/** Quarter of a million times in a big cluster: without lists in between. */
function ipv4(ip: string): string {
  let bytes = 0;
  let part = 0;
  for (let i = 0; i < ip.length; i++) {
    const digit = ip.charCodeAt(i) - 0x30;
    // The dot is the only other character of an address.
    if (digit >= 0) part = part * 10 + digit;
    else {
      bytes = (bytes << 8) | part;
      part = 0;
    }
  }
  bytes = (bytes << 8) | part;
  return String.fromCharCode(bytes >>> 24, (bytes >> 16) & 0xff, (bytes >> 8) & 0xff, bytes & 0xff);
}

/** A port: two bytes in network order and padding. */
export function port(number: number): string {
  return String.fromCharCode(number >> 8, number & 0xff, 0, 0);
}

/** A number of 32 bits in host order, which is little-endian wherever netlink is supported. */
export function u32(value: number): string {
  return String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

export function readU32(bytes: string, offset = 0): number {
  return (
    (bytes.charCodeAt(offset) |
      (bytes.charCodeAt(offset + 1) << 8) |
      (bytes.charCodeAt(offset + 2) << 16) |
      (bytes.charCodeAt(offset + 3) << 24)) >>>
    0
  );
}

/** Protocol and port: the key of node ports. */
export function nodePortKey(protocol: Protocol, number: number): string {
  return String.fromCharCode(PROTOCOL_NUMBERS[protocol], 0, 0, 0) + port(number);
}

/** Address, protocol and port: the key of everything that is found by the address a client uses. */
export function vipKey(ip: string, protocol: Protocol, number: number): string {
  return address(ip) + nodePortKey(protocol, number);
}

/** First and last address of a canonical CIDR. */
export function cidrRange(cidr: string): { readonly first: string; readonly last: string } {
  const [network = "", length = ""] = cidr.split("/");
  const first = encodeAddress(network);
  const last = Buffer.from(first);
  for (let i = 0; i < last.length; i++) {
    const hostBits = Math.max(0, Math.min(8, 8 * (i + 1) - Number(length)));
    last[i] = (last[i] ?? 0) | (2 ** hostBits - 1);
  }
  return { first: first.toString("latin1"), last: last.toString("latin1") };
}

/** The address after `bytes`; undefined after the last one of all. */
export function next(bytes: string): string | undefined {
  const buffer = Buffer.from(bytes, "latin1");
  for (let i = buffer.length - 1; i >= 0; i--) {
    const value = ((buffer[i] ?? 0) + 1) & 0xff;
    buffer[i] = value;
    if (value !== 0) return buffer.toString("latin1");
  }
  return undefined;
}
