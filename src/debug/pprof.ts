/**
 * Profiles in pprof's format, which `go tool pprof` and others read: a protocol buffer, compressed with gzip
 * (github.com/google/pprof/blob/main/proto/profile.proto).
 */
import { gzipSync } from "node:zlib";

/** A place in the program. */
export interface Frame {
  readonly functionName: string;
  readonly file: string;
  /** From 1; 0 = unknown. */
  readonly line: number;
}

/** What a column of values is and is counted in, such as `cpu` in `nanoseconds`. */
export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

export interface Sample {
  /** The innermost frame first. */
  readonly stack: readonly Frame[];
  /** One for each sample type; whole numbers, 0 or more. */
  readonly values: readonly number[];
}

export interface Profile {
  readonly sampleTypes: readonly ValueType[];
  readonly samples: readonly Sample[];
  /** When it began, in milliseconds since the epoch. */
  readonly startMs: number;
  readonly durationMs: number;
  /** How far apart samples are. */
  readonly period: { readonly type: ValueType; readonly value: number };
}

const NANOSECONDS_PER_MS = 1_000_000;

/** Encodes and compresses a profile. */
export function encodeProfile(profile: Profile): Buffer {
  const strings = new Table<string>((text) => text);
  strings.idOf(""); // The format wants it first.
  const functions = new Table<Frame>(({ functionName, file }) => JSON.stringify([functionName, file]));
  const locations = new Table<Frame>(({ functionName, file, line }) =>
    JSON.stringify([functionName, file, line]),
  );
  const valueType = ({ type, unit }: ValueType): Message =>
    new Message().uint(1, strings.idOf(type)).uint(2, strings.idOf(unit));

  const message = new Message();
  for (const type of profile.sampleTypes) message.message(1, valueType(type));
  for (const { stack, values } of profile.samples) {
    // Ids of locations and functions begin with 1.
    const ids = stack.map((frame) => locations.idOf(frame) + 1);
    message.message(2, new Message().uints(1, ids).uints(2, values));
  }
  for (const [id, frame] of locations.values.entries()) {
    const line = new Message().uint(1, functions.idOf(frame) + 1).uint(2, frame.line);
    message.message(4, new Message().uint(1, id + 1).message(4, line));
  }
  for (const [id, { functionName, file }] of functions.values.entries()) {
    const name = strings.idOf(functionName);
    message.message(
      5,
      new Message()
        .uint(1, id + 1)
        .uint(2, name)
        .uint(3, name)
        .uint(4, strings.idOf(file)),
    );
  }
  const period = valueType(profile.period.type);
  for (const text of strings.values) message.bytes(6, Buffer.from(text));
  message
    .uint(9, Math.round(profile.startMs) * NANOSECONDS_PER_MS)
    .uint(10, Math.round(profile.durationMs * NANOSECONDS_PER_MS))
    .message(11, period)
    .uint(12, profile.period.value);
  return gzipSync(message.finish());
}

/** Values in the order of their first use; equal keys are one value. */
class Table<T> {
  readonly values: T[] = [];
  readonly #keyOf: (value: T) => string;
  readonly #ids = new Map<string, number>();

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf;
  }

  idOf(value: T): number {
    const key = this.#keyOf(value);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.values.push(value) - 1;
    this.#ids.set(key, id);
    return id;
  }
}

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

/** A protocol buffer message under construction: fields by number (protobuf.dev/programming-guides/encoding). */
class Message {
  readonly #parts: Uint8Array[] = [];

  /** A field of an integer type; 0 is the default and is left out. */
  uint(field: number, value: number): this {
    if (value !== 0) this.#parts.push(varint(tag(field, WIRE_VARINT)), varint(value));
    return this;
  }

  /** A packed repeated field of an integer type. */
  uints(field: number, values: readonly number[]): this {
    return this.bytes(field, Buffer.concat(values.map(varint)));
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#parts.push(varint(tag(field, WIRE_BYTES)), varint(bytes.length), bytes);
    return this;
  }

  message(field: number, message: Message): this {
    return this.bytes(field, message.finish());
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

function tag(field: number, wireType: number): number {
  return field * 8 + wireType;
}

/** Seven bits a byte, the lowest first. Times in nanoseconds are beyond what a number holds exactly; they lose digits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
