/** The elements of a set or map as the kernel sends them, read in place: a big map has hundreds of thousands. */
import { constants } from "node:os";
import { align4, NetlinkFormatError } from "../attributes.ts";
import { NetlinkError } from "../errors.ts";
import type { NetlinkSocket } from "../socket.ts";
import type { Verdict } from "./expressions.ts";
import { type TableRef, tableWriter } from "./objects.ts";
import * as p from "./protocol.ts";

const ATTRIBUTE_HEADER_BYTES = 4;
const NFGENMSG_BYTES = 4;
const TYPE_MASK = 0x3fff;

/**
 * The elements of a set or map, one reader per datagram (32 KiB of elements), valid until the next step. Throws a
 * NetlinkError: ENOENT if there is no such set, EINTR at the end if somebody changed any table meanwhile, as then
 * elements may be missing or come twice (see `untilConsistent`).
 *
 * The kernel finds the place to go on at by counting from the start, once for every datagram: 250,000 elements of 8 + 8
 * bytes take 0.9 s of its time, 50,000 take 0.04 s.
 */
export async function* dumpElements(
  socket: NetlinkSocket,
  table: TableRef,
  set: string,
): AsyncGenerator<ElementReader, void> {
  const payload = tableWriter(table)
    .string(p.NFTA_SET_ELEM_LIST_TABLE, table.name)
    .string(p.NFTA_SET_ELEM_LIST_SET, set)
    .finish();
  const request = { type: p.NFT_MSG_GETSETELEM, flags: 0, payload };
  const operation = `list elements of ${table.family} ${table.name} ${set}`;
  const generations = new Set<number>();
  for await (const messages of socket.dump(operation, request)) {
    for (const { payload } of messages) {
      // The resource id of nfgenmsg: lower half of the ruleset's generation. The kernel does not compare them itself.
      generations.add(payload.readUInt16BE(2));
      yield new ElementReader(payload);
    }
  }
  if (generations.size > 1) throw new NetlinkError(operation, { errno: constants.errno.EINTR });
}

/**
 * A cursor over the elements in one message of type NFT_MSG_NEWSETELEM (or NFT_MSG_DELSETELEM). Each `next` sets the
 * fields to those of the next element; nothing is copied. Throws a NetlinkFormatError.
 *
 *     for await (const elements of dumpElements(socket, table, "endpoints")) {
 *       while (elements.next()) have.set(elements.key(), elements.bytes.readUInt32BE(elements.dataStart));
 *     }
 */
export class ElementReader {
  /** Where `keyStart` and the like point into. */
  readonly bytes: Buffer;
  keyStart = 0;
  keyLength = 0;
  /** Length 0: no value, or a verdict. */
  dataStart = 0;
  dataLength = 0;
  /** NFT_SET_ELEM_… bits. */
  flags = 0;
  /** How long it lives from its last renewal; 0 = as long as the set says. */
  timeoutMs = 0;
  /** How long it lives from now; 0 = for ever. */
  expiresMs = 0;
  /** Counted by the element's counter; 0 without one. */
  packets = 0;
  countedBytes = 0;
  #keyEndStart = 0;
  #keyEndLength = 0;
  #verdictStart = 0;
  #verdictEnd = 0;
  #next = 0;
  #end = 0;

  constructor(payload: Buffer) {
    this.bytes = payload;
    for (let at = NFGENMSG_BYTES; at < payload.length; at += align4(this.#length(at, payload.length))) {
      const length = this.#length(at, payload.length);
      if (this.#type(at) !== p.NFTA_SET_ELEM_LIST_ELEMENTS) continue;
      this.#next = at + ATTRIBUTE_HEADER_BYTES;
      this.#end = at + length;
    }
  }

  /** Moves to the next element; false at the end. */
  next(): boolean {
    if (this.#next >= this.#end) return false;
    const start = this.#next;
    const length = this.#length(start, this.#end);
    const end = start + length;
    this.#next = start + align4(length);
    this.#clear();
    for (let at = start + ATTRIBUTE_HEADER_BYTES, attributeEnd = 0; at < end; at = align4(attributeEnd)) {
      attributeEnd = at + this.#length(at, end);
      this.#take(at, attributeEnd);
    }
    return true;
  }

  /** One character for each byte, as in SetElement. */
  key(): string {
    return this.bytes.toString("latin1", this.keyStart, this.keyStart + this.keyLength);
  }

  /** End of the interval, included; undefined for a single value. */
  keyEnd(): string | undefined {
    if (this.#keyEndLength === 0) return undefined;
    return this.bytes.toString("latin1", this.#keyEndStart, this.#keyEndStart + this.#keyEndLength);
  }

  /** One character for each byte; undefined without a value. */
  data(): string | undefined {
    if (this.dataLength === 0) return undefined;
    return this.bytes.toString("latin1", this.dataStart, this.dataStart + this.dataLength);
  }

  /** The verdict that the element maps to; `other` for those that we never write, undefined for none. */
  verdict(): Verdict | "other" | undefined {
    if (this.#verdictEnd === 0) return undefined;
    let code: number = p.NF_ACCEPT;
    let chain = "";
    for (let at = this.#verdictStart, end = 0; at < this.#verdictEnd; at = align4(end)) {
      end = at + this.#length(at, this.#verdictEnd);
      const value = at + ATTRIBUTE_HEADER_BYTES;
      if (this.#type(at) === p.NFTA_VERDICT_CODE) code = this.#u32(value, end) | 0;
      else if (this.#type(at) === p.NFTA_VERDICT_CHAIN) chain = this.bytes.toString("latin1", value, end - 1);
    }
    if (code === p.NF_DROP) return "drop";
    if (code === p.NFT_JUMP) return { jump: chain };
    return code === p.NFT_GOTO ? { goto: chain } : "other";
  }

  #clear(): void {
    this.keyStart = this.keyLength = this.dataStart = this.dataLength = this.flags = 0;
    this.timeoutMs = this.expiresMs = this.packets = this.countedBytes = 0;
    this.#keyEndStart = this.#keyEndLength = this.#verdictStart = this.#verdictEnd = 0;
  }

  #take(at: number, end: number): void {
    const value = at + ATTRIBUTE_HEADER_BYTES;
    switch (this.#type(at)) {
      case p.NFTA_SET_ELEM_KEY:
        // | header of NFTA_DATA_VALUE | bytes |
        this.keyStart = value + ATTRIBUTE_HEADER_BYTES;
        this.keyLength = value + this.#length(value, end) - this.keyStart;
        break;
      case p.NFTA_SET_ELEM_KEY_END:
        this.#keyEndStart = value + ATTRIBUTE_HEADER_BYTES;
        this.#keyEndLength = value + this.#length(value, end) - this.#keyEndStart;
        break;
      case p.NFTA_SET_ELEM_DATA:
        this.#takeData(value, value + this.#length(value, end));
        break;
      case p.NFTA_SET_ELEM_FLAGS:
        this.flags = this.#u32(value, end);
        break;
      case p.NFTA_SET_ELEM_TIMEOUT:
        this.timeoutMs = this.#u64(value, end);
        break;
      case p.NFTA_SET_ELEM_EXPIRATION:
        this.expiresMs = this.#u64(value, end);
        break;
      case p.NFTA_SET_ELEM_EXPR:
        this.#takeExpression(value, end);
        break;
      case p.NFTA_SET_ELEM_EXPRESSIONS:
        for (let each = value; each < end; each += align4(this.#length(each, end))) {
          this.#takeExpression(each + ATTRIBUTE_HEADER_BYTES, each + this.#length(each, end));
        }
    }
  }

  #takeData(at: number, end: number): void {
    if (this.#type(at) === p.NFTA_DATA_VERDICT) {
      this.#verdictStart = at + ATTRIBUTE_HEADER_BYTES;
      this.#verdictEnd = end;
    } else {
      this.dataStart = at + ATTRIBUTE_HEADER_BYTES;
      this.dataLength = end - this.dataStart;
    }
  }

  /** The counter's numbers; other expressions are skipped. */
  #takeExpression(start: number, end: number): void {
    let counter = false;
    for (let at = start; at < end; at += align4(this.#length(at, end))) {
      const value = at + ATTRIBUTE_HEADER_BYTES;
      const valueEnd = at + this.#length(at, end);
      if (this.#type(at) === p.NFTA_EXPR_NAME) {
        counter = this.bytes.toString("latin1", value, valueEnd) === "counter\0";
      } else if (counter && this.#type(at) === p.NFTA_EXPR_DATA) {
        this.#takeCounter(value, valueEnd);
      }
    }
  }

  #takeCounter(start: number, end: number): void {
    for (let at = start; at < end; at += align4(this.#length(at, end))) {
      const value = at + ATTRIBUTE_HEADER_BYTES;
      if (this.#type(at) === p.NFTA_COUNTER_BYTES) this.countedBytes = this.#u64(value, end);
      else if (this.#type(at) === p.NFTA_COUNTER_PACKETS) this.packets = this.#u64(value, end);
    }
  }

  #type(at: number): number {
    return this.bytes.readUInt16LE(at + 2) & TYPE_MASK;
  }

  /** Length of the attribute at `at`, its header included. */
  #length(at: number, end: number): number {
    const length = at + ATTRIBUTE_HEADER_BYTES <= end ? this.bytes.readUInt16LE(at) : 0;
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > end) {
      throw new NetlinkFormatError(`set element: attribute at ${at} claims ${length} bytes of ${end - at}`);
    }
    return length;
  }

  #u32(at: number, end: number): number {
    if (at + 4 > end) throw new NetlinkFormatError(`set element: number at ${at} is cut off`);
    return this.bytes.readUInt32BE(at);
  }

  /** Exact up to 2^53. */
  #u64(at: number, end: number): number {
    if (at + 8 > end) throw new NetlinkFormatError(`set element: number at ${at} is cut off`);
    return this.bytes.readUInt32BE(at) * 2 ** 32 + this.bytes.readUInt32BE(at + 4);
  }
}
