/** Addresses and networks in the one spelling the kernel tools print (glibc inet_ntop). */

function parseIPv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const octets = parts.map((part) => (/^(?:0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return octets.every((octet) => octet < 256) ? octets : undefined;
}

/** The eight 16-bit groups of an IPv6 address. */
function parseIPv6(text: string): number[] | undefined {
  let source = text;
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (embedded !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = parseIPv4(embedded[2] ?? "") ?? [-1];
    if (a < 0) return undefined;
    source = `${embedded[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const halves = source.split("::");
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail = []] = groups;
  const gap = 8 - head.length - tail.length;
  if (halves.length > 2 || (halves.length === 2 ? gap < 1 : gap !== 0)) return undefined;
  const all = [...head, ...Array<string>(gap).fill("0"), ...tail];
  return all.every((group) => /^[\da-f]{1,4}$/i.test(group))
    ? all.map((group) => Number.parseInt(group, 16))
    : undefined;
}

/** The longest run of at least two zero groups: [start, length]. */
function zeroRun(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [-1, 1];
  let start = 0;
  for (let i = 0; i <= 8; i++) {
    if (i < 8 && groups[i] === 0) continue;
    if (i - start > best[1]) best = [start, i - start];
    start = i + 1;
  }
  return best;
}

function formatIPv6(groups: readonly number[]): string {
  const [start, length] = zeroRun(groups);
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  if (start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))) {
    const [high = 0, low = 0] = groups.slice(6);
    return `::${length === 5 ? "ffff:" : ""}${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}

/** Clears the bits after the prefix in a list of fixed-size parts. */
function mask(parts: readonly number[], partBits: number, prefix: number): number[] {
  return parts.map((part, i) => {
    const keep = Math.min(Math.max(prefix - i * partBits, 0), partBits);
    return part & ~(2 ** (partBits - keep) - 1);
  });
}

/** The prefix length in `text`: digits, or a contiguous IPv4 mask. */
function prefixOf(text: string | undefined, bits: number): number | undefined {
  if (text === undefined) return bits;
  if (/^\d{1,3}$/.test(text)) return Number(text) <= bits ? Number(text) : undefined;
  const octets = bits === 32 ? parseIPv4(text) : undefined;
  const binary = octets?.map((octet) => octet.toString(2).padStart(8, "0")).join("") ?? "01";
  return /^1*0*$/.test(binary) ? binary.lastIndexOf("1") + 1 : undefined;
}

/** An address in canonical spelling; undefined when the text is none. */
export function canonicalAddress(text: string): string | undefined {
  const groups = text.includes(":") ? parseIPv6(text) : undefined;
  return groups === undefined ? parseIPv4(text)?.join(".") : formatIPv6(groups);
}

/** `address/prefix`, host bits cleared, from an address, a CIDR, or an address with a mask; undefined when it is none. */
export function canonicalNetwork(text: string): string | undefined {
  const [address = "", suffix, ...rest] = text.split("/");
  if (rest.length > 0) return undefined;
  const groups = address.includes(":") ? parseIPv6(address) : undefined;
  const octets = groups === undefined ? parseIPv4(address) : undefined;
  const prefix = prefixOf(suffix, groups === undefined ? 32 : 128);
  if (prefix === undefined) return undefined;
  if (groups !== undefined) return `${formatIPv6(mask(groups, 16, prefix))}/${prefix}`;
  return octets === undefined ? undefined : `${mask(octets, 8, prefix).join(".")}/${prefix}`;
}
