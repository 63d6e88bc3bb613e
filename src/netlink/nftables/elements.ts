/** Requests that add and remove elements of sets and maps, many in one message. */
import type { AttributeWriter } from "../attributes.ts";
import { isNetlinkError } from "../errors.ts";
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../messages.ts";
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
/** More than one element ever takes besides its key and value. */
const ELEMENT_OVERHEAD = 64;

/** Adds elements; EEXIST if one of the same key has another value (the kernel takes an equal one as done). */
export function addElements(table: TableRef, set: string, elements: Iterable<SetElement>): NetlinkRequest[] {
  return messages(p.NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, elements);
}

/** As addElements, but EEXIST if an element exists, equal or not. */
export function createElements(
  table: TableRef,
  set: string,
  elements: Iterable<SetElement>,
): NetlinkRequest[] {
  return messages(p.NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, set, elements);
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

/** Removes every element of a set. */
export function flushSet(table: TableRef, set: string): NetlinkRequest {
  return { type: p.NFT_MSG_DELSETELEM, flags: 0, payload: head(table, set).finish() };
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
  const requests: NetlinkRequest[] = [];
  const source = elements[Symbol.iterator]();
  for (let next = source.next(); next.done !== true; ) {
    const attributes = head(table, set);
    attributes.nested(p.NFTA_SET_ELEM_LIST_ELEMENTS, () => {
      for (let bytes = 0; next.done !== true && bytes < LIST_BYTES; next = source.next()) {
        bytes += 2 * next.value.key.length + (next.value.data?.length ?? 0) + ELEMENT_OVERHEAD;
        writeElement(attributes, next.value, withValues);
      }
    });
    requests.push({ type, flags, payload: attributes.finish() });
  }
  return requests;
}

function writeElement(attributes: AttributeWriter, element: SetElement, withValue: boolean): void {
  const { key, keyEnd, intervalEnd, data, verdict } = element;
  attributes.nested(p.NFTA_LIST_ELEM, () => {
    if (intervalEnd) attributes.u32be(p.NFTA_SET_ELEM_FLAGS, p.NFT_SET_ELEM_INTERVAL_END);
    writeValue(attributes, p.NFTA_SET_ELEM_KEY, key);
    if (keyEnd !== undefined) writeValue(attributes, p.NFTA_SET_ELEM_KEY_END, keyEnd);
    if (!withValue) return;
    if (data !== undefined) writeValue(attributes, p.NFTA_SET_ELEM_DATA, data);
    else if (verdict !== undefined)
      attributes.nested(p.NFTA_SET_ELEM_DATA, () => writeVerdict(attributes, verdict));
  });
}

function writeValue(attributes: AttributeWriter, type: number, value: string): void {
  attributes.nested(type, () => attributes.latin1(p.NFTA_DATA_VALUE, value));
}
