/** The types a configuration field can have: what the file may hold, and what counts as unset. */
import type { ModuleVerbosity } from "../logging/verbosity.ts";
import { DURATION_FORM, formatDuration, parseDuration } from "./duration.ts";

/** Reads and writes one plain YAML or JSON value. */
export interface Codec<T> {
  /** Reads on from "must be". */
  readonly allowed: string;
  /** Undefined for a value of another type; nothing is converted. */
  decode(value: unknown): T | undefined;
  /** The zero of Go's type, which fields other than pointers read as "unset". */
  isZero(value: T): boolean;
  /** What a file holds for the value; without it the value itself. */
  encode?(value: T): unknown;
}

export const MAX_INT32 = 2 ** 31 - 1;
export const INT32_FORM = "a whole number from -2147483648 to 2147483647";
export const QUANTITY_FORM = 'a quantity such as "0", "64Ki" or "1M"';

/** Resource quantities as the Kubernetes API writes them. */
export function isQuantity(text: string): boolean {
  return /^[-+]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?$/.test(text);
}

const isText = (value: unknown): value is string => typeof value === "string";

export const string: Codec<string> = {
  allowed: "a string",
  decode: (value) => (isText(value) ? value : undefined),
  isZero: (value) => value === "",
};

export const bool: Codec<boolean> = {
  allowed: "true or false",
  decode: (value) => (typeof value === "boolean" ? value : undefined),
  isZero: (value) => !value,
};

export const int32: Codec<number> = {
  allowed: INT32_FORM,
  decode: (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= -MAX_INT32 - 1 && value <= MAX_INT32
      ? value
      : undefined,
  isZero: (value) => value === 0,
};

export const float: Codec<number> = {
  allowed: "a number",
  decode: (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined),
  isZero: (value) => value === 0,
};

export const duration: Codec<number> = {
  allowed: DURATION_FORM,
  decode: (value) => (isText(value) ? parseDuration(value) : undefined),
  isZero: (value) => value === 0,
  encode: formatDuration,
};

/** `logging.flushFrequency` alone may also be a whole number of nanoseconds. */
export const durationOrNanoseconds: Codec<number> = {
  allowed: `${DURATION_FORM}, or a whole number of nanoseconds`,
  decode: (value) => (Number.isInteger(value) ? Number(value) / 1e6 : duration.decode(value)),
  isZero: (value) => value === 0,
  encode: formatDuration,
};

export const quantity: Codec<string> = {
  allowed: QUANTITY_FORM,
  decode: (value) => {
    const text = typeof value === "number" ? String(value) : value;
    return isText(text) && isQuantity(text) ? text : undefined;
  },
  isZero: (value) => Number.parseFloat(value) === 0,
};

export const stringList: Codec<readonly string[]> = {
  allowed: "a list of strings",
  decode: (value) => (Array.isArray(value) && value.every(isText) ? value : undefined),
  isZero: (value) => value.length === 0,
  encode: nullIfEmpty,
};

export const boolMap: Codec<Readonly<Record<string, boolean>>> = {
  allowed: "a map of names to true or false",
  decode: (value) => {
    if (!isMap(value)) return undefined;
    const result: Record<string, boolean> = {};
    for (const [name, on] of Object.entries(value)) {
      if (typeof on !== "boolean") return undefined;
      result[name] = on;
    }
    return result;
  },
  isZero: (value) => Object.keys(value).length === 0,
};

export const vmodule: Codec<readonly ModuleVerbosity[]> = {
  allowed: "a list of {filePattern, verbosity}",
  decode: (value) => {
    if (!Array.isArray(value)) return undefined;
    const entries: ModuleVerbosity[] = [];
    for (const entry of value) {
      const filePattern = isMap(entry) ? string.decode(entry.filePattern) : undefined;
      const verbosity = isMap(entry) ? int32.decode(entry.verbosity) : undefined;
      if (filePattern === undefined || verbosity === undefined) return undefined;
      entries.push({ filePattern, verbosity });
    }
    return entries;
  },
  isZero: (value) => value.length === 0,
  encode: nullIfEmpty,
};

/** As upstream writes lists. */
export function nullIfEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

/** A YAML map or JSON object. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
