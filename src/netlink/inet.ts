/** IP addresses as the kernel has them (bytes in network order) and as text. */
import { isIPv4, isIPv6 } from "node:net";

// linux/socket.h
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** The AF_… number of a family. */
export function familyNumber(family: "IPv4" | "IPv6"): number {
  return family === "IPv4" ? AF_INET : AF_INET6;
}

/** Bytes of an address given as text. Throws a RangeError on anything else, zone ids included. */
export function encodeAddress(text: string): Buffer {
  if (isIPv4(text)) return encodeIPv4(text);
  if (!isIPv6(text) || text.includes("%")) throw new RangeError(`not an IP address: ${JSON.stringify(text)}`);
  const [head = "", tail] = text.split("::");
  const left = encodeGroups(head);
  const right = tail === undefined ? [] : encodeGroups(tail);
  return Buffer.from([...left, ...new Array<number>(16 - left.length - right.length).fill(0), ...right]);
}

/** Without parts in between: there are many of these. */
function encodeIPv4(text: string): Buffer {
  const bytes = Buffer.alloc(4);
  let part = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    // A dot comes before the digits.
    if (digit < 0) part++;
    else bytes[part] = (bytes[part] ?? 0) * 10 + digit;
  }
  return bytes;
}

function encodeGroups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Text of 4 or 16 bytes, IPv6 as RFC 5952 wants it. Throws a RangeError for another length. */
export function decodeAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new RangeError(`not an IP address: ${bytes.length} bytes`);
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  return printGroups(groups);
}

/** RFC 5952, section 4: the first of the longest runs of two or more zero groups becomes `::`. */
function printGroups(groups: readonly number[]): string {
  let best = 0;
  let bestLength = 1;
  for (let start = 0, i = 0; i < 8; i++) {
    if (groups[i] !== 0) start = i + 1;
    else if (i + 1 - start > bestLength) [best, bestLength] = [start, i + 1 - start];
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestLength === 1) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
}
