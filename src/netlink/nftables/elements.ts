/** Requests that add and remove elements of sets and maps, many in one message. */
import { AttributeWriter, align4, NLA_F_NESTED } from "../attributes.ts";
import { isNetlinkError } from "../errors.ts";
import { type NetlinkRequest, NLM_F_CREATE } from "../messages.ts";
import type { NetlinkSocket } from "../socket.ts";
import { ElementReader } from "./dump-elements.ts";
import { type Verdict, writeVerdict } from "./expressions.ts";
import { type TableRef, tableWriter } from "./objects.ts";
import * as p from "./protocol.ts";

/** Keys and values are bytes in a string of latin1, one character a byte: compact, comparable and fit to key a Map. */
export interface SetElement {
  /** Every part of a concatenation padded to four bytes. */
  readonly key: string;
  /** End of the interval, included; for sets of intervals over concatenations. */
  readonly keyEnd?: string;
  /** The key is where an interval ends, itself excluded; for sets of intervals over one value. */
  readonly intervalEnd?: boolean;
  readonly data?: string;
  readonly verdict?: Verdict;
}

/** A list is one attribute, which may have 64 KiB at most. */
const LIST_BYTES = 60_000;
/** Answers to so many fit a receive buffer of the default size. */
const KEYS_PER_REQUEST = 100;
const ATTRIBUTE_HEADER_BYTES = 4;

/** Adds elements; EEXIST if one of the same key has another value (the kernel takes an equal one as done). */
export function addElements(table: TableRef, set: string, elements: Iterable<SetElement>): NetlinkRequest[] {
  return messages(p.NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, elements);
}

/** Removes elements, of which only the keys count; ENOENT if one does not exist. */
export function deleteElements(
  table: TableRef,
  set: string,
  elements: Iterable<SetElement>,
): NetlinkRequest[] {
  return messages(p.NFT_MSG_DELSETELEM, 0, table, set, elements);
}

/**
 * Reads elements of a map by their keys: quick for some hundreds, each of which comes back in a datagram of its own.
 * Undefined if one does not exist. Throws a NetlinkError.
 */
export function getElements(
  socket: NetlinkSocket,
  table: TableRef,
  set: string,
  keys: readonly string[],
): Map<string, string> | undefined {
  const found = new Map<string, string>();
  for (let start = 0; start < keys.length; start += KEYS_PER_REQUEST) {
    const part = keys.slice(start, start + KEYS_PER_REQUEST).map((key) => ({ key }));
    try {
      for (const request of messages(p.NFT_MSG_GETSETELEM, 0, table, set, part)) {
        for (const { payload } of socket.request(`read elements of ${set}`, request)) {
          const reader = new ElementReader(payload);
          while (reader.next()) found.set(reader.key(), reader.data() ?? "");
        }
      }
    } catch (error) {
      if (isNetlinkError(error, "ENOENT")) return undefined;
      throw error;
    }
  }
  return found;
}

function head(table: TableRef, set: string): AttributeWriter {
  return tableWriter(table)
    .string(p.NFTA_SET_ELEM_LIST_TABLE, table.name)
    .string(p.NFTA_SET_ELEM_LIST_SET, set);
}

function messages(
  type: number,
  flags: number,
  table: TableRef,
  set: string,
  elements: Iterable<SetElement>,
): NetlinkRequest[] {
  const withValues = type === p.NFT_MSG_NEWSETELEM;
  const start = head(table, set).finish();
  const requests: NetlinkRequest[] = [];
  let list: ElementList | undefined;
  const finish = (): void => {
    if (list !== undefined) requests.push({ type, flags, payload: list.finish() });
  };
  for (const element of elements) {
    if (list === undefined || list.isFull) {
      finish();
      list = new ElementList(start);
    }
    list.add(element, withValues);
  }
  finish();
  return requests;
}

/** Longest element: key, end of the interval and value of 64 bytes each (NFT_DATA_VALUE_MAXLEN) or a chain's name. */
const ELEMENT_BYTES = 1024;
/** Filled by one list after the other; each is copied when it is finished. */
const scratch = Buffer.alloc(65_536 + ELEMENT_BYTES);

/**
 * Writes elements straight into bytes: AttributeWriter with its checks would take most of the time of a cold start.
 * Only one may be in use at a time.
 */
class ElementList {
  readonly #start: number;
  #at: number;

  /** `start`: everything of the message before the list. */
  constructor(start: Uint8Array) {
    scratch.set(start);
    this.#start = start.length;
    this.#at = start.length + ATTRIBUTE_HEADER_BYTES;
  }

  get isFull(): boolean {
    return this.#at > LIST_BYTES;
  }

  add({ key, keyEnd, intervalEnd, data, verdict }: SetElement, withValue: boolean): void {
    const start = this.#at;
    this.#at += ATTRIBUTE_HEADER_BYTES;
    if (intervalEnd) {
      this.#header(this.#at, 8, p.NFTA_SET_ELEM_FLAGS);
      scratch.writeUInt32BE(p.NFT_SET_ELEM_INTERVAL_END, this.#at + ATTRIBUTE_HEADER_BYTES);
      this.#at += 8;
    }
    this.#value(p.NFTA_SET_ELEM_KEY, key);
    if (keyEnd !== undefined) this.#value(p.NFTA_SET_ELEM_KEY_END, keyEnd);
    if (withValue && data !== undefined) this.#value(p.NFTA_SET_ELEM_DATA, data);
    else if (withValue && verdict !== undefined) this.#verdict(verdict);
    this.#header(start, this.#at - start, p.NFTA_LIST_ELEM | NLA_F_NESTED);
  }

  finish(): Buffer {
    const type = p.NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED;
    this.#header(this.#start, this.#at - this.#start, type);
    return Buffer.from(scratch.subarray(0, this.#at));
  }

  #header(at: number, length: number, type: number): void {
    scratch[at] = length & 0xff;
    scratch[at + 1] = length >> 8;
    scratch[at + 2] = type & 0xff;
    scratch[at + 3] = type >> 8;
  }

  /** An attribute with the one attribute NFTA_DATA_VALUE. */
  #value(type: number, bytes: string): void {
    const inner = this.#at + ATTRIBUTE_HEADER_BYTES;
    const length = ATTRIBUTE_HEADER_BYTES + bytes.length;
    this.#header(this.#at, ATTRIBUTE_HEADER_BYTES + length, type | NLA_F_NESTED);
    this.#header(inner, length, p.NFTA_DATA_VALUE);
    const from = inner + ATTRIBUTE_HEADER_BYTES;
    for (let i = 0; i < bytes.length; i++) scratch[from + i] = bytes.charCodeAt(i);
    this.#at = inner + align4(length);
    for (let at = from + bytes.length; at < this.#at; at++) scratch[at] = 0;
  }

  #verdict(verdict: Verdict): void {
    const attributes = new AttributeWriter();
    attributes.nested(p.NFTA_SET_ELEM_DATA, () => writeVerdict(attributes, verdict));
    const bytes = attributes.finish();
    scratch.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
