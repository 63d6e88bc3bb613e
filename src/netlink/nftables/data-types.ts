/**
 * How the `nft` program is told what the bytes of a set mean: the kernel stores these descriptions and never reads
 * them. Numbers are those of nft (src/datatype.h, src/expression.h, src/proto.h), encodings those of libnftnl's udata:
 * records of type, length and value in host order. Checked against what nft 1.0.6 writes.
 */
import type { SetSpec, ValueSpec } from "./objects.ts";

const BYTE_ORDER = { host: 1, network: 2 } as const;

/** One part of a key or value: nft's number of the type, its width in the kernel and the expression that it is like. */
export interface DataType {
  readonly type: number;
  /** Bytes that mean something; in a concatenation every part takes a multiple of four. */
  readonly length: number;
  /** The expression as nft stores it, for `typeof`. */
  readonly like: Uint8Array;
}

const EXPR_VERDICT = 1;
const EXPR_PAYLOAD = 7;
const EXPR_META = 9;
const EXPR_CONCAT = 13;
const EXPR_NUMGEN = 23;

function record(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(type, value.length), value]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** `{ TYPEOF_EXPR: kind, TYPEOF_DATA: { 0: first, 1: second … } }` */
function like(kind: number, ...values: readonly number[]): Buffer {
  const data = Buffer.concat(values.map((value, i) => record(i, u32(value))));
  return Buffer.concat([record(0, u32(kind)), record(1, data)]);
}

/** Types of the two families, under the names that `nft` has for the expressions. */
export const IP_DADDR: DataType = { type: 7, length: 4, like: like(EXPR_PAYLOAD, 12, 12) };
export const IP_SADDR: DataType = { type: 7, length: 4, like: like(EXPR_PAYLOAD, 12, 11) };
export const IP6_DADDR: DataType = { type: 8, length: 16, like: like(EXPR_PAYLOAD, 13, 9) };
export const IP6_SADDR: DataType = { type: 8, length: 16, like: like(EXPR_PAYLOAD, 13, 8) };
export const L4PROTO: DataType = { type: 12, length: 1, like: like(EXPR_META, 16) };
export const TH_DPORT: DataType = { type: 13, length: 2, like: like(EXPR_PAYLOAD, 11, 2) };
/** skb->mark, 32 bits in host order; nft prints it in hexadecimal. */
export const META_MARK: DataType = { type: 19, length: 4, like: like(EXPR_META, 3) };
/** A number of 32 bits in host order that nft prints as such; its `typeof` is a random number below 65536. */
export const NUMBER: DataType = { type: 4, length: 4, like: like(EXPR_NUMGEN, 1, 65536, 0) };

/** nft's type number and the kernel's length of a value made of these parts. */
export function valueSpec(parts: readonly DataType[]): ValueSpec {
  const type = parts.reduce((number, part) => (number << 6) | part.type, 0);
  if (parts.length === 1) return { type, length: parts[0]?.length ?? 0 };
  return { type, length: parts.reduce((sum, part) => sum + padded(part.length), 0) };
}

/** Lengths of the parts as the kernel wants them for intervals over a concatenation. */
export function fieldLengths(parts: readonly DataType[]): number[] {
  return parts.map((part) => part.length);
}

/** What makes `nft list` print the set with `typeof` and with its comment. */
export function setUserdata(
  key: readonly DataType[],
  data: readonly DataType[] | "verdict" | undefined,
  comment: string,
): NonNullable<SetSpec["userdata"]> {
  const records = [record(0, u32(byteOrder(key)))];
  const isValue = data !== undefined && data !== "verdict";
  if (data !== undefined) records.push(record(1, u32(isValue ? byteOrder(data) : 0)));
  records.push(record(3, typeOf(key)));
  if (data !== undefined) records.push(record(4, isValue ? typeOf(data) : like(EXPR_VERDICT)));
  if (data !== undefined) records.push(record(6, u32(0)));
  if (comment !== "") records.push(record(7, Buffer.from(`${comment}\0`)));
  return Buffer.concat(records);
}

/** What makes `nft list` print the comment of a table or rule. */
export function commentUserdata(comment: string): Uint8Array {
  return record(0, Buffer.from(`${comment}\0`));
}

/** A single host-order value is host order; addresses and ports are network order; nft leaves it open for a concatenation. */
function byteOrder(parts: readonly DataType[]): number {
  if (parts.length !== 1) return 0;
  return parts[0]?.type === META_MARK.type || parts[0]?.type === NUMBER.type
    ? BYTE_ORDER.host
    : BYTE_ORDER.network;
}

function typeOf(parts: readonly DataType[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only.like;
  const data = Buffer.concat(parts.map((part, i) => record(i, part.like)));
  return Buffer.concat([record(0, u32(EXPR_CONCAT)), record(1, data)]);
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
