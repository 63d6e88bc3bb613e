/** Reads a profile in pprof's format back, as its readers do; written by the format's description alone. */
import { gunzipSync } from "node:zlib";

type Field = readonly [number: number, value: bigint | Buffer];

/** The fields of a protocol buffer message, in order; throws where it is none. */
export function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    if ((tag & 7) === 0) {
      fields.push([tag >> 3, varint()]);
    } else {
      if ((tag & 7) !== 2) throw new Error(`wire type ${tag & 7}`);
      const length = Number(varint());
      if (at + length > bytes.length) throw new Error("cut short");
      fields.push([tag >> 3, bytes.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

/** The integers of a packed field. */
function unpack(bytes: Buffer): number[] {
  const numbers: number[] = [];
  let [value, shift] = [0n, 0n];
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte < 0x80) {
      numbers.push(Number(value));
      [value, shift] = [0n, 0n];
    }
  }
  return numbers;
}

/** A profile with all references resolved. */
export function readPprof(compressed: Buffer) {
  const fields = fieldsOf(gunzipSync(compressed));
  const messages = (number: number): Buffer[] =>
    fields.flatMap(([field, value]) => (field === number && Buffer.isBuffer(value) ? [value] : []));
  const uint = (all: readonly Field[], number: number): number =>
    Number(all.find(([field, value]) => field === number && typeof value === "bigint")?.[1] ?? 0);
  const strings = messages(6).map(String);
  if (strings[0] !== "") throw new Error("the first string is not empty");
  const text = (all: readonly Field[], number: number): string => strings[uint(all, number)] ?? "missing";
  const valueType = (bytes: Buffer): string => `${text(fieldsOf(bytes), 1)}/${text(fieldsOf(bytes), 2)}`;
  const functions = new Map(
    messages(5).map((bytes) => {
      const all = fieldsOf(bytes);
      return [uint(all, 1), { name: text(all, 2), file: text(all, 4) }];
    }),
  );
  const locations = new Map(
    messages(4).map((bytes) => {
      const all = fieldsOf(bytes);
      const line = fieldsOf(all.find(([field]) => field === 4)?.[1] as Buffer);
      const { name, file } = functions.get(uint(line, 1)) ?? { name: "missing", file: "" };
      return [uint(all, 1), `${name} ${file}:${uint(line, 2)}`];
    }),
  );
  return {
    sampleTypes: messages(1).map(valueType),
    samples: messages(2).map((bytes) => {
      const lists = new Map(fieldsOf(bytes).map(([field, value]) => [field, unpack(value as Buffer)]));
      return {
        stack: (lists.get(1) ?? []).map((id) => locations.get(id) ?? "missing"),
        values: lists.get(2) ?? [],
      };
    }),
    timeNanos: uint(fields, 9),
    durationNanos: uint(fields, 10),
    period: `${messages(11).map(valueType)} ${uint(fields, 12)}`,
  };
}
