/**
 * Addresses as sockets have them and as keys of maps. A key is a string with one character for each byte: cheaper to
 * make from received bytes than readable text, and equal exactly when the address is.
 *
 *     sockaddr_in:  | family (u16) | port (be16) | address (4) | zero (8) |
 *     sockaddr_in6: | family (u16) | port (be16) | flow (4)    | address (16) | scope (u32) |
 */
import { isIPv6 } from "node:net";
import { AF_INET, AF_INET6, decodeAddress, encodeAddress } from "../netlink/inet.ts";

/** Room for either struct. */
export const SOCKADDR_BYTES = 28;

const IPV4_BYTES = 16;

/** The struct as bytes. Throws a RangeError for what is not an IP address. */
export function encodeSocketAddress(address: string, port: number): Buffer {
  const ip = encodeAddress(address);
  const bytes = Buffer.alloc(ip.length === 4 ? IPV4_BYTES : SOCKADDR_BYTES);
  bytes.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return bytes;
}

/** Bytes of the struct that starts at `at`, by its family. */
export function socketAddressLength(bytes: Buffer, at: number): number {
  return bytes[at] === AF_INET ? IPV4_BYTES : SOCKADDR_BYTES;
}

/** Key of the address without the port: 4 or 16 characters. */
export function hostKey(bytes: Buffer, at: number): string {
  return bytes[at] === AF_INET
    ? bytes.toString("latin1", at + 4, at + 8)
    : bytes.toString("latin1", at + 8, at + 24);
}

/** Key of address and port, port first: 6 or 18 characters. */
export function endpointKey(bytes: Buffer, at: number): string {
  if (bytes[at] === AF_INET) return bytes.toString("latin1", at + 2, at + 8);
  return bytes.toString("latin1", at + 2, at + 4) + bytes.toString("latin1", at + 8, at + 24);
}

/** Key of `ip:port` or `[ip]:port`. Throws a RangeError for anything else. */
export function parseEndpointKey(text: string): string {
  return endpointKey(parseSocketAddress(text), 0);
}

/** The struct of `ip:port` or `[ip]:port`. Throws a RangeError for anything else. */
export function parseSocketAddress(text: string): Buffer {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(colon, 0));
  const port = Number(text.slice(colon + 1));
  if (!/:\d{1,5}$/.test(text) || port > 65535) throw new RangeError(`not an address and port: ${text}`);
  return encodeSocketAddress(host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host, port);
}

/** The struct of a key made by `endpointKey`. */
export function socketAddressOf(key: string): Buffer {
  const isIPv4 = key.length === 6;
  const bytes = Buffer.alloc(isIPv4 ? IPV4_BYTES : SOCKADDR_BYTES);
  bytes.writeUInt16LE(isIPv4 ? AF_INET : AF_INET6);
  bytes.write(key.slice(0, 2), 2, "latin1");
  bytes.write(key.slice(2), isIPv4 ? 4 : 8, "latin1");
  return bytes;
}

/** `ip:port` or `[ip]:port` of a key made by `endpointKey`. */
export function endpointText(key: string): string {
  const bytes = Buffer.from(key, "latin1");
  return joinEndpoint(decodeAddress(bytes.subarray(2)), bytes.readUInt16BE(0));
}

/** Text of a key made by `hostKey`. */
export function hostText(key: string): string {
  return decodeAddress(Buffer.from(key, "latin1"));
}

/** `ip:port` or, for IPv6, `[ip]:port`. */
export function joinEndpoint(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
