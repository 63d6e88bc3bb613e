/**
 * IP addresses and CIDRs as text: parsed as leniently as the Kubernetes API once did, always printed canonically.
 * Two equal addresses are equal strings everywhere in the program, and nothing but a reprint ever reaches a rule.
 */
import type { IpFamily } from "./types.ts";

/** Longer texts are refused unread; the longest legal address has 45 characters. */
const MAX_TEXT = 64;
const DOT = 46;
const ZERO = 48;
const NINE = 57;
/** All that a valid IPv4 text can have and a canonical one cannot. */
const LEADING_ZERO = /(?:^|\.)0\d/;

/** The four octets as an unsigned 32-bit number; leading zeros are read as decimal. */
function parseIPv4(text: string): number | undefined {
  let address = 0;
  let octet = -1;
  let octets = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (octet < 0 || ++octets > 4) return undefined;
      address = address * 256 + octet;
      octet = -1;
    } else if (code >= ZERO && code <= NINE) {
      octet = (octet < 0 ? 0 : octet * 10) + (code - ZERO);
      if (octet > 255) return undefined;
    } else {
      return undefined;
    }
  }
  return octets === 4 ? address : undefined;
}

function printIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Splits one side of `::` into 16-bit groups; only the last may be dotted IPv4. */
function parseGroups(text: string, mayEndInIPv4: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (mayEndInIPv4 && index === parts.length - 1 && part.includes(".")) {
      const tail = parseIPv4(part);
      if (tail === undefined) return undefined;
      groups.push(tail >>> 16, tail & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** The eight 16-bit groups (RFC 4291, section 2.2). */
function parseIPv6(text: string): number[] | undefined {
  const gap = text.indexOf("::");
  if (gap < 0) {
    const groups = parseGroups(text, true);
    return groups?.length === 8 ? groups : undefined;
  }
  const head = parseGroups(text.slice(0, gap), false);
  const tail = parseGroups(text.slice(gap + 2), true);
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Prints lower case with the first longest run of two or more zero groups as `::` (RFC 5952, section 4). */
function printIPv6(groups: readonly number[]): string {
  let runStart = -1;
  let runLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > runLength) {
      runStart = i;
      runLength = end - i;
    }
    i = end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (runStart < 0) return hex.join(":");
  return `${hex.slice(0, runStart).join(":")}::${hex.slice(runStart + runLength).join(":")}`;
}

/** The IPv4 address inside `::ffff:a.b.c.d`, or undefined. */
function mappedIPv4(groups: readonly number[]): number | undefined {
  const [a, b, c, d, e, mark, high = 0, low = 0] = groups;
  return !a && !b && !c && !d && !e && mark === 0xffff ? high * 65536 + low : undefined;
}

/**
 * Reprints an address canonically: IPv4 without leading zeros, IPv6 per RFC 5952, IPv4-mapped IPv6 as IPv4.
 * Returns undefined for anything else (zone ids, brackets, blanks).
 */
export function canonicalIp(text: string): string | undefined {
  if (text.length > MAX_TEXT) return undefined;
  if (!text.includes(":")) {
    const address = parseIPv4(text);
    if (address === undefined) return undefined;
    // Nearly every address of a cluster is canonical already, and there are hundreds of thousands.
    return LEADING_ZERO.test(text) ? printIPv4(address) : text;
  }
  const groups = parseIPv6(text);
  if (!groups) return undefined;
  const mapped = mappedIPv4(groups);
  return mapped === undefined ? printIPv6(groups) : printIPv4(mapped);
}

/** The family of a canonical address or CIDR. */
export function familyOf(canonical: string): IpFamily {
  return canonical.includes(":") ? "IPv6" : "IPv4";
}

function maskIPv4(address: number, bits: number): number {
  return bits === 0 ? 0 : (address & (-1 << (32 - bits))) >>> 0;
}

function maskIPv6(groups: readonly number[], bits: number): number[] {
  return groups.map((group, i) => {
    const kept = Math.min(16, Math.max(0, bits - 16 * i));
    return group & (0xffff << (16 - kept));
  });
}

/**
 * Reprints a CIDR canonically, host bits cleared. An IPv4-mapped range of /96 or longer is its IPv4 range.
 * Returns undefined for anything else, an address without prefix length included.
 */
export function canonicalCidr(text: string): string | undefined {
  const slash = text.indexOf("/");
  const prefix = text.slice(slash + 1);
  if (slash < 0 || text.length > MAX_TEXT || !/^\d{1,3}$/.test(prefix)) return undefined;
  const host = text.slice(0, slash);
  const bits = Number(prefix);
  if (!host.includes(":")) {
    const address = parseIPv4(host);
    return address === undefined || bits > 32 ? undefined : `${printIPv4(maskIPv4(address, bits))}/${bits}`;
  }
  const groups = parseIPv6(host);
  if (!groups || bits > 128) return undefined;
  const mapped = mappedIPv4(groups);
  if (mapped === undefined) return `${printIPv6(maskIPv6(groups, bits))}/${bits}`;
  return bits < 96 ? undefined : `${printIPv4(maskIPv4(mapped, bits - 96))}/${bits - 96}`;
}

/** Whether a canonical address lies in a canonical CIDR; false across families. */
export function contains(cidr: string, ip: string): boolean {
  return familyOf(cidr) === familyOf(ip) && canonicalCidr(ip + cidr.slice(cidr.indexOf("/"))) === cidr;
}

/** Whether a canonical CIDR lies in another, or is the same; false across families. */
export function containsCidr(outer: string, inner: string): boolean {
  const slash = inner.indexOf("/");
  const bits = Number(outer.slice(outer.indexOf("/") + 1));
  return bits <= Number(inner.slice(slash + 1)) && contains(outer, inner.slice(0, slash));
}

/** `ip:port`, IPv6 in brackets: the identity of an endpoint and its sort key. */
export function joinHostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
