/** Option values of a rule line; each function throws IPTABLES_UNKNOWN_RULE for text it does not know. */
import { unknownRule } from "./cursor.ts";
import type { Ports } from "./types.ts";

const MAX_U32 = 0xffff_ffff;

/** A number in decimal or 0x notation, at most `max`. */
export function parseNumber(text: string, max: number): number {
  const value = /^(?:0x[\da-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw unknownRule(`number ${text}`);
  return value;
}

/** `80`, or a range whose open ends mean 0 and 65535. */
export function parsePorts(text: string, separator: ":" | "-"): Ports {
  const [first = "", last] = text.split(separator);
  if (last === undefined) return parseNumber(first, 65535);
  return [first === "" ? 0 : parseNumber(first, 65535), last === "" ? 65535 : parseNumber(last, 65535)];
}

/** `value[/mask]` of a packet mark. */
export function parseMark(text: string): { value: number; mask: number | undefined } {
  const [value = "", mask] = text.split("/");
  return {
    value: parseNumber(value, MAX_U32),
    mask: mask === undefined ? undefined : parseNumber(mask, MAX_U32),
  };
}

/** A word that must be one of a list. */
export function oneOf<T extends string>(what: string, word: string, list: readonly T[]): T {
  const found = list.find((item) => item === word);
  if (found === undefined) throw unknownRule(`${what} ${word}`);
  return found;
}

/** A comma-separated list whose items must be in `list`. */
export function someOf<T extends string>(what: string, text: string, list: readonly T[]): T[] {
  return text.split(",").map((word) => oneOf(what, word, list));
}
