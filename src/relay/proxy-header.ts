/**
 * The header of the PROXY protocol (HAProxy, versions 1 and 2), which tells an endpoint who its client is.
 *
 *     1: PROXY TCP4|TCP6 source destination source-port destination-port CR LF
 *     2: | signature (12) | 0x21 (version 2, PROXY) | family and transport | length (be16) | source | destination | ports |
 */
import { AF_INET, decodeAddress } from "../netlink/inet.ts";

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const VERSION_2_PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** `source` and `destination` are structs sockaddr_in or sockaddr_in6, both of one family. */
export function proxyHeader(version: 1 | 2, source: Buffer, destination: Buffer): Buffer {
  return version === 1 ? textHeader(source, destination) : binaryHeader(source, destination);
}

function textHeader(source: Buffer, destination: Buffer): Buffer {
  const family = isIPv4(source) ? "TCP4" : "TCP6";
  const words = [
    decodeAddress(host(source)),
    decodeAddress(host(destination)),
    port(source),
    port(destination),
  ];
  return Buffer.from(`PROXY ${family} ${words.join(" ")}\r\n`, "latin1");
}

function binaryHeader(source: Buffer, destination: Buffer): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(port(source), 0);
  ports.writeUInt16BE(port(destination), 2);
  const addresses = Buffer.concat([host(source), host(destination), ports]);
  const head = Buffer.alloc(4);
  head.writeUInt8(VERSION_2_PROXY, 0);
  head.writeUInt8(isIPv4(source) ? TCP4 : TCP6, 1);
  head.writeUInt16BE(addresses.length, 2);
  return Buffer.concat([SIGNATURE, head, addresses]);
}

function isIPv4(address: Buffer): boolean {
  return address.readUInt16LE(0) === AF_INET;
}

function host(address: Buffer): Buffer {
  return isIPv4(address) ? address.subarray(4, 8) : address.subarray(8, 24);
}

function port(address: Buffer): number {
  return address.readUInt16BE(2);
}
