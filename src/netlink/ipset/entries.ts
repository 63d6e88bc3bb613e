/**
 * Entries of sets as values, as text and as attributes. The text is what the ipset program prints, but for IPv6
 * addresses that embed an IPv4 address, and is the same for equal entries, so that texts can be compared and key a Map:
 *
 *     hash:ip            10.96.0.10
 *     hash:ip,port       10.96.0.10,tcp:80
 *     hash:ip,port,ip    10.244.0.5,tcp:8080,10.244.0.5
 *     hash:ip,port,net   203.0.113.4,tcp:80,192.0.2.0/24    (no /32 or /128 behind a single address)
 *     bitmap:port        30080
 */
import type { AttributeReader, AttributeWriter } from "../attributes.ts";
import { decodeAddress, encodeAddress } from "../inet.ts";
import * as p from "./protocol.ts";

export type SetType = "hash:ip" | "hash:ip,port" | "hash:ip,port,ip" | "hash:ip,port,net" | "bitmap:port";
export type SetFamily = "inet" | "inet6";

/** What decides the form of a set's entries. The family of a bitmap:port counts for nothing: it has no addresses. */
export interface EntryKind {
  readonly type: SetType;
  readonly family: SetFamily;
}

/** An entry. Which parts it has depends on the set's type, in the order of its name. */
export interface SetEntry {
  readonly address?: string;
  /** `tcp`, `udp`, `sctp`; the number as text for others, which only foreign hands put into a set of ours. */
  readonly protocol?: string;
  readonly port?: number;
  /** The second address, or the network's. */
  readonly second?: string;
  /** Of a network: 1 to 32 or 128. */
  readonly prefixLength?: number;
}

/** Bytes of an entry at most: IPSET_ATTR_DATA with two IPv6 addresses, a port, a protocol and a prefix length. */
export const ENTRY_BYTES = 4 + 24 + 8 + 8 + 24 + 8;

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["tcp", p.IPPROTO_TCP],
  ["udp", p.IPPROTO_UDP],
  ["sctp", p.IPPROTO_SCTP],
]);
const PROTOCOL_NAMES = new Map([...PROTOCOLS].map(([name, number]) => [number, name]));

const hasAddress = ({ type }: EntryKind): boolean => type !== "bitmap:port";
const hasProtocol = ({ type }: EntryKind): boolean => type.startsWith("hash:ip,port");
const hasSecond = ({ type }: EntryKind): boolean => type === "hash:ip,port,ip" || type === "hash:ip,port,net";
const hasPrefix = ({ type }: EntryKind): boolean => type === "hash:ip,port,net";
const addressBits = ({ family }: EntryKind): number => (family === "inet" ? 32 : 128);

/** The canonical text of an entry. Throws a RangeError if the kernel would not take it as given. */
export function formatEntry(kind: EntryKind, entry: SetEntry): string {
  const { address, protocol, port, second, prefixLength } = entry;
  return render(kind, {
    address: hasAddress(kind) ? decodeAddress(addressBytes(kind, address)) : "",
    protocol: hasProtocol(kind) ? protocolName(protocolNumber(protocol)) : "",
    port: kind.type === "hash:ip" ? 0 : checkPort(port),
    second: hasSecond(kind) ? decodeAddress(secondBytes(kind, second, prefixLength)) : "",
    prefixLength: hasPrefix(kind) ? checkPrefix(kind, prefixLength) : 0,
  });
}

/** The entry of a text, canonical or not. Throws a RangeError where the text has other parts than the type wants. */
export function parseEntry(kind: EntryKind, text: string): SetEntry {
  const parts = text.split(",");
  const fail = (): never => {
    throw new RangeError(`not an entry of a ${kind.type} set: ${JSON.stringify(text)}`);
  };
  if (parts.length !== kind.type.split(",").length) fail();
  const [first = "", middle = "", last = ""] = parts;
  if (!hasAddress(kind)) return { port: parsePort(first) ?? fail() };
  if (!hasProtocol(kind)) return { address: first };
  const colon = middle.indexOf(":");
  const protocol = middle.slice(0, colon);
  const port = parsePort(middle.slice(colon + 1)) ?? fail();
  if (colon < 0) fail();
  if (!hasSecond(kind)) return { address: first, protocol, port };
  if (!hasPrefix(kind)) return { address: first, protocol, port, second: last };
  const [second = "", length = String(addressBits(kind)), ...rest] = last.split("/");
  if (rest.length > 0) fail();
  return { address: first, protocol, port, second, prefixLength: parsePort(length) ?? fail() };
}

/** The canonical form of a text. Throws a RangeError for what is no entry of the kind. */
export function canonicalEntry(kind: EntryKind, text: string): string {
  return formatEntry(kind, parseEntry(kind, text));
}

/** Adds an entry's attributes, the payload of an IPSET_ATTR_DATA. Throws a RangeError as `formatEntry` does. */
export function writeEntry(attributes: AttributeWriter, kind: EntryKind, entry: SetEntry): void {
  if (hasAddress(kind)) writeAddress(attributes, p.IPSET_ATTR_IP, addressBytes(kind, entry.address));
  if (kind.type !== "hash:ip")
    attributes.u16be(p.IPSET_ATTR_PORT | p.NLA_F_NET_BYTEORDER, checkPort(entry.port));
  if (hasProtocol(kind)) attributes.u8(p.IPSET_ATTR_PROTO, protocolNumber(entry.protocol));
  if (hasSecond(kind))
    writeAddress(attributes, p.IPSET_ATTR_IP2, secondBytes(kind, entry.second, entry.prefixLength));
  if (hasPrefix(kind)) attributes.u8(p.IPSET_ATTR_CIDR2, checkPrefix(kind, entry.prefixLength));
}

/** Reads the payload of an IPSET_ATTR_DATA, as a dump has it, as canonical text. */
export function readEntry(attributes: AttributeReader, kind: EntryKind): string {
  let [address, second, protocol] = ["", "", ""];
  let port = 0;
  // Left out by the kernel for a single address, in some types.
  let prefixLength = addressBits(kind);
  while (attributes.next()) {
    if (attributes.type === p.IPSET_ATTR_IP) address = readAddress(attributes);
    else if (attributes.type === p.IPSET_ATTR_PORT) port = attributes.u16be();
    else if (attributes.type === p.IPSET_ATTR_PROTO) protocol = protocolName(attributes.u8());
    else if (attributes.type === p.IPSET_ATTR_IP2) second = readAddress(attributes);
    else if (attributes.type === p.IPSET_ATTR_CIDR2) prefixLength = attributes.u8();
  }
  return render(kind, { address, protocol, port, second, prefixLength });
}

function render(kind: EntryKind, entry: Required<SetEntry>): string {
  const { address, protocol, port, second, prefixLength } = entry;
  switch (kind.type) {
    case "hash:ip":
      return address;
    case "hash:ip,port":
      return `${address},${protocol}:${port}`;
    case "hash:ip,port,ip":
      return `${address},${protocol}:${port},${second}`;
    case "hash:ip,port,net": {
      const length = prefixLength === addressBits(kind) ? "" : `/${prefixLength}`;
      return `${address},${protocol}:${port},${second}${length}`;
    }
    case "bitmap:port":
      return String(port);
  }
}

function writeAddress(attributes: AttributeWriter, type: number, bytes: Uint8Array): void {
  const inner = bytes.length === 4 ? p.IPSET_ATTR_IPADDR_IPV4 : p.IPSET_ATTR_IPADDR_IPV6;
  attributes.nested(type, () => attributes.bytes(inner | p.NLA_F_NET_BYTEORDER, bytes));
}

function readAddress(attributes: AttributeReader): string {
  let address = "";
  attributes.nested(() => {
    while (attributes.next()) address = decodeAddress(attributes.bytes());
  });
  return address;
}

function addressBytes(kind: EntryKind, text = ""): Buffer {
  const bytes = encodeAddress(text);
  if (bytes.length * 8 === addressBits(kind)) return bytes;
  throw new RangeError(`not an address of family ${kind.family}: ${text}`);
}

/** As the kernel keeps it: what the prefix does not cover is zero. */
function secondBytes(kind: EntryKind, text: string | undefined, prefixLength: number | undefined): Buffer {
  const bytes = addressBytes(kind, text);
  if (!hasPrefix(kind)) return bytes;
  const bits = checkPrefix(kind, prefixLength);
  for (let i = 0; i < bytes.length; i++) {
    const covered = Math.min(Math.max(bits - i * 8, 0), 8);
    bytes[i] = (bytes[i] ?? 0) & (0xff00 >> covered);
  }
  return bytes;
}

function checkPrefix(kind: EntryKind, length: number | undefined): number {
  if (length === 0) {
    const halves = kind.family === "inet" ? "0.0.0.0/1 and 128.0.0.0/1" : "::/1 and 8000::/1";
    throw new RangeError(`ipset takes no network of prefix length 0, use its two halves: ${halves}`);
  }
  if (length !== undefined && Number.isInteger(length) && length > 0 && length <= addressBits(kind))
    return length;
  throw new RangeError(`prefix length must be 1 to ${addressBits(kind)}: ${length}`);
}

function checkPort(port: number | undefined): number {
  if (port !== undefined && Number.isInteger(port) && port >= 0 && port <= 0xffff) return port;
  throw new RangeError(`port must be 0 to 65535: ${port}`);
}

/** A decimal number without sign or leading zeros; undefined for anything else. */
function parsePort(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : undefined;
}

function protocolNumber(name = ""): number {
  const number = PROTOCOLS.get(name) ?? parsePort(name);
  if (number !== undefined && number <= 0xff) return number;
  throw new RangeError(`not a protocol: ${JSON.stringify(name)}`);
}

function protocolName(number: number): string {
  return PROTOCOL_NAMES.get(number) ?? String(number);
}
