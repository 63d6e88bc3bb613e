/** The types of flag values: how text becomes a value, and how a default is shown. */

import { INT32_FORM, isQuantity, MAX_INT32, QUANTITY_FORM } from "../config/codecs.ts";
import { DURATION_FORM, formatDuration, parseDuration } from "../config/duration.ts";
import { LISTEN_ADDRESS_FORM, parseListenAddress } from "../config/listen-address.ts";
import { parsePortRange } from "../config/port-range.ts";
import { canonicalIp } from "../model/address.ts";

export interface FlagType<T> {
  /** Shown in the help. */
  readonly name: string;
  /** Reads on from "must be". */
  readonly allowed: string;
  /** Undefined when the text is not of this type. */
  parse(text: string): T | undefined;
  /** The text of a default; empty when there is nothing to show. */
  print(value: T): string;
  /** Combines the values of a repeated flag; without it the last one counts. */
  readonly merge?: (values: readonly T[]) => T;
  /** The value of the bare flag, where `--flag` alone is allowed; such a flag takes a value only after `=`. */
  readonly bare?: string;
  /** An empty text leaves the default as it is, which is how upstream reads these flags. */
  readonly emptyKeepsDefault?: boolean;
}

const text: Pick<FlagType<string>, "parse" | "print"> = { parse: (value) => value, print: (value) => value };

export const string: FlagType<string> = { name: "string", allowed: "a string", ...text };

export const path: FlagType<string> = { ...string, name: "path", allowed: "a path" };

/** sun_path of struct sockaddr_un without its terminator (unix(7)). */
const SOCKET_PATH_BYTES = 107;

export const socketPath: FlagType<string> = {
  ...path,
  allowed: `empty, or an absolute path of at most ${SOCKET_PATH_BYTES} bytes`,
  parse: (value) => {
    const fits =
      value.startsWith("/") && !value.includes("\0") && Buffer.byteLength(value) <= SOCKET_PATH_BYTES;
    return fits || value === "" ? value : undefined;
  },
};

/** Go's strconv.ParseBool. */
const BOOLEANS = new Map<string, boolean>([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, false] as const),
]);

export const bool: FlagType<boolean> = {
  name: "bool",
  allowed: "true or false",
  parse: (value) => BOOLEANS.get(value),
  print: (value) => (value ? "true" : ""),
  bare: "true",
};

export const int32: FlagType<number> = {
  name: "int",
  allowed: INT32_FORM,
  parse: (value) => {
    const number = /^[-+]?\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= -MAX_INT32 - 1 && number <= MAX_INT32 ? number : undefined;
  },
  print: String,
};

export const count: FlagType<number> = {
  ...int32,
  allowed: `a whole number from 0 to ${MAX_INT32}`,
  parse: (value) => {
    const number = int32.parse(value);
    return number !== undefined && number >= 0 ? number : undefined;
  },
};

export const float: FlagType<number> = {
  name: "float",
  allowed: "a number",
  parse: (value) => (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value) ? Number(value) : undefined),
  print: String,
};

export const duration: FlagType<number> = {
  name: "duration",
  allowed: DURATION_FORM,
  parse: parseDuration,
  print: formatDuration,
};

export const ip: FlagType<string> = {
  name: "IP",
  allowed: "an IP address",
  parse: canonicalIp,
  print: text.print,
  emptyKeepsDefault: true,
};

export const ipOrIpPort: FlagType<string> = {
  name: "IP[:port]",
  allowed: `an IP address, ${LISTEN_ADDRESS_FORM}`,
  parse: (value) => canonicalIp(value) ?? (parseListenAddress(value) && value),
  print: text.print,
  emptyKeepsDefault: true,
};

export const hostname: FlagType<string> = {
  name: "string",
  allowed: "a node name, not only blanks",
  parse: (value) => value.trim().toLowerCase() || undefined,
  print: text.print,
  emptyKeepsDefault: true,
};

export const list: FlagType<readonly string[]> = {
  name: "list",
  allowed: "values separated by commas",
  parse: (value) => (value === "" ? [] : value.split(",")),
  print: (value) => value.join(","),
  merge: (values) => values.flat(),
};

export const gates: FlagType<Readonly<Record<string, boolean>>> = {
  name: "gate=bool,...",
  allowed: "gate=true or gate=false, separated by commas",
  parse: (value) => {
    const result: Record<string, boolean> = {};
    for (const pair of value.split(",").filter((part) => part.trim() !== "")) {
      const [, name, word] = /^\s*(\w+)\s*=\s*(\w+)\s*$/.exec(pair) ?? [];
      const on = bool.parse(word ?? "");
      if (name === undefined || on === undefined) return undefined;
      result[name] = on;
    }
    return result;
  },
  print: () => "",
  merge: (values) => Object.assign({}, ...values),
};

export const modules: FlagType<readonly { filePattern: string; verbosity: number }[]> = {
  name: "pattern=N,...",
  allowed: "pattern=N, separated by commas, N a whole number",
  parse: (value) => {
    const pairs = value.split(",").filter((part) => part !== "");
    if (!pairs.every((pair) => /^[^=]+=\d{1,9}$/.test(pair))) return undefined;
    return pairs.map((pair) => {
      const split = pair.indexOf("=");
      return { filePattern: pair.slice(0, split), verbosity: Number(pair.slice(split + 1)) };
    });
  },
  print: () => "",
  merge: (values) => values.flat(),
};

export const quantity: FlagType<string> = {
  name: "quantity",
  allowed: QUANTITY_FORM,
  parse: (value) => (isQuantity(value) ? value : undefined),
  print: text.print,
};

export const portRange: FlagType<string> = {
  name: "port-range",
  allowed: "first-last, first+count or one port, up to 65535",
  parse: (value) => (parsePortRange(value) === undefined ? undefined : value),
  print: text.print,
};

export type VersionRequest = "no" | "plain" | "raw";

export const version: FlagType<VersionRequest> = {
  name: "raw",
  allowed: "true, false or raw",
  parse: (value) => {
    if (value === "raw") return "raw";
    const wanted = bool.parse(value);
    return wanted === undefined ? undefined : wanted ? "plain" : "no";
  },
  print: () => "",
  bare: "true",
};
