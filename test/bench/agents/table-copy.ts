/**
 * What the kernel itself needs for the proxy's table: reads the table out of one network namespace, as the kernel dumps
 * it, and feeds the same messages to the kernel of another. Timed are the system calls alone; all encoding is done before.
 */
import { AttributeReader } from "../../../src/netlink/attributes.ts";
import { readStatus } from "../../../src/netlink/errors.ts";
import { AF_INET } from "../../../src/netlink/inet.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from "../../../src/netlink/messages.ts";
import { NETLINK_NETFILTER, nfnetlinkType, nfnetlinkWriter } from "../../../src/netlink/nfnetlink.ts";
import { openTransport, type Transport } from "../../../src/netlink/transport.ts";

const TABLE = "kube-proxy";
/** linux/netfilter/nfnetlink.h */
const NFTABLES = 10;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NFGENMSG_BYTES = 4;
/** Bytes of one transaction: more makes no difference to the time of all. */
const TRANSACTION_BYTES = 4 * 2 ** 20;
const BUFFERS = { sendBufferBytes: 4 * TRANSACTION_BYTES, receiveBufferBytes: 2 ** 20 };

/** The messages of linux/netfilter/nf_tables.h, and the attributes of a dumped object that make an equal one. */
const MESSAGES = {
  table: { new: 0 },
  chain: { new: 3, get: 4, keep: [1, 3, 4, 5, 7, 10, 12] },
  rule: { new: 6, get: 7, keep: [1, 2, 4, 7] },
  set: { new: 9, get: 10, keep: [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17, 18] },
  element: { new: 12, get: 13, delete: 14 },
} as const;
// The name of the table is attribute 1 of every message, that of the set attribute 2 of elements.
const TABLE_NAME = 1;
const SET_NAME = 2;
const SET_FLAGS = 3;
const SET_ID = 10;
const ELEMENTS = 3;
const LIST_ELEMENT = 1;
const SET_IS_ANONYMOUS = 1;
/** A dynamic set is filled by packets, not by the proxy. */
const SET_IS_DYNAMIC = 0x20;

/** Messages that make the table anew, in an order the kernel takes, with what reading them has cost. */
export interface TableCopy {
  /** Everything but the elements of named sets: one transaction. */
  readonly frame: readonly NetlinkRequest[];
  readonly elements: readonly NetlinkRequest[];
  readonly elementCount: number;
  readonly dumpMs: number;
}

export interface ReplayTimes {
  /** All elements of the table, in transactions of some megabytes. */
  readonly loadMs: number;
  /** One element of the biggest set taken away, or put back, each a transaction of its own. */
  readonly oneElementMs: readonly number[];
}

/** Reads the proxy's IPv4 table in this process's network namespace. */
export function readTable(): TableCopy {
  const transport = openTransport(NETLINK_NETFILTER, BUFFERS);
  try {
    const started = performance.now();
    const chains = dump(transport, MESSAGES.chain.get);
    const sets = dump(transport, MESSAGES.set.get);
    const rules = dump(transport, MESSAGES.rule.get);
    const elements = sets.map((set) => dump(transport, MESSAGES.element.get, stringOf(set, SET_NAME)));
    const dumpMs = performance.now() - started;
    const isAnonymous = (index: number): boolean => (flagsOf(sets[index]!) & SET_IS_ANONYMOUS) !== 0;
    const isNamed = (index: number): boolean =>
      (flagsOf(sets[index]!) & (SET_IS_ANONYMOUS | SET_IS_DYNAMIC)) === 0;
    const ofSets = (include: (index: number) => boolean): NetlinkRequest[] =>
      elements.flatMap((messages, index) => (include(index) ? messages.map(elementRequest) : []));
    const named = ofSets(isNamed);
    return {
      frame: [
        request(MESSAGES.table.new, nfnetlinkWriter(AF_INET).string(TABLE_NAME, TABLE).finish()),
        ...chains.map((chain) => request(MESSAGES.chain.new, kept(chain, MESSAGES.chain.keep))),
        ...sets.map((set, index) => request(MESSAGES.set.new, kept(set, MESSAGES.set.keep, index + 1))),
        ...ofSets(isAnonymous),
        ...rules.map((rule) => request(MESSAGES.rule.new, kept(rule, MESSAGES.rule.keep))),
      ],
      elements: named,
      elementCount: named.reduce((sum, { payload }) => sum + elementsOf(payload).length, 0),
      dumpMs,
    };
  } finally {
    transport.close();
  }
}

/** Makes the table in this process's network namespace, which must have none of its name. */
export function replayTable(copy: TableCopy, trials: number): ReplayTimes {
  const transport = openTransport(NETLINK_NETFILTER, BUFFERS);
  try {
    commit(transport, copy.frame);
    let loadMs = 0;
    for (const transaction of transactionsOf(copy.elements)) loadMs += commit(transport, transaction);
    const one = oneElement(copy.elements);
    const oneElementMs = Array.from({ length: trials }, () => [
      commit(transport, [{ ...one, type: nfnetlinkType(NFTABLES, MESSAGES.element.delete) }]),
      commit(transport, [one]),
    ]).flat();
    return { loadMs, oneElementMs };
  } finally {
    transport.close();
  }
}

/** Sends a transaction and returns the milliseconds that the kernel kept it. Throws when the kernel refuses it. */
function commit(transport: Transport, requests: readonly NetlinkRequest[]): number {
  const mark = (message: number): NetlinkRequest => ({
    type: message,
    flags: NLM_F_REQUEST,
    payload: Uint8Array.of(0, 0, 0, NFTABLES),
  });
  const datagram = encodeRequests([mark(BATCH_BEGIN), ...requests, mark(BATCH_END)], 1);
  const started = performance.now();
  transport.send(datagram);
  const ms = performance.now() - started;
  for (let answer = transport.receive(); answer !== undefined; answer = transport.receive()) {
    for (const message of decodeMessages(answer)) {
      const status = readStatus(message);
      if (status !== undefined && status.errno !== 0) {
        const refused = requests[message.sequence - 2];
        throw new Error(`replay: message of type ${refused?.type}: errno ${status.errno} ${status.text}`);
      }
    }
  }
  return ms;
}

function* transactionsOf(elements: readonly NetlinkRequest[]): Generator<NetlinkRequest[]> {
  let bytes = 0;
  let transaction: NetlinkRequest[] = [];
  for (const element of elements) {
    if (bytes > 0 && bytes + element.payload.length > TRANSACTION_BYTES) {
      yield transaction;
      transaction = [];
      bytes = 0;
    }
    transaction.push(element);
    bytes += element.payload.length;
  }
  if (transaction.length > 0) yield transaction;
}

/** The last element of the set that has the most messages. */
function oneElement(elements: readonly NetlinkRequest[]): NetlinkRequest {
  const bySet = Map.groupBy(elements, ({ payload }) => stringOf({ payload }, SET_NAME));
  const [set, messages] = [...bySet].reduce((a, b) => (b[1].length > a[1].length ? b : a));
  const last = messages.flatMap(({ payload }) => elementsOf(payload)).at(-1)!;
  const payload = nfnetlinkWriter(AF_INET)
    .string(TABLE_NAME, TABLE)
    .string(SET_NAME, set)
    .nested(ELEMENTS, (list) => list.bytes(LIST_ELEMENT, last))
    .finish();
  return request(MESSAGES.element.new, payload);
}

/** All messages of a dump of the table, or of one of its sets. */
function dump(transport: Transport, message: number, set?: string): readonly NetlinkMessage[] {
  const writer = nfnetlinkWriter(AF_INET).string(TABLE_NAME, TABLE);
  if (set !== undefined) writer.string(SET_NAME, set);
  const type = nfnetlinkType(NFTABLES, message);
  transport.send(encodeRequests([{ type, flags: NLM_F_REQUEST | NLM_F_DUMP, payload: writer.finish() }], 1));
  const messages: NetlinkMessage[] = [];
  for (;;) {
    const datagram = transport.receive();
    if (datagram === undefined) throw new Error("a dump ended without its last message");
    for (const part of decodeMessages(Buffer.from(datagram))) {
      const status = readStatus(part);
      if (status === undefined) messages.push(part);
      else if (status.errno === 0) return messages.filter((each) => stringOf(each, TABLE_NAME) === TABLE);
      else throw new Error(`dump: errno ${status.errno} ${status.text}`);
    }
  }
}

function request(message: number, payload: Uint8Array): NetlinkRequest {
  return {
    type: nfnetlinkType(NFTABLES, message),
    flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND,
    payload,
  };
}

function elementRequest({ payload }: NetlinkMessage): NetlinkRequest {
  return request(MESSAGES.element.new, payload);
}

/** The message with these attributes only; a set needs a number too, which it loses with the transaction. */
function kept({ payload }: NetlinkMessage, keep: readonly number[], setId?: number): Buffer {
  const writer = nfnetlinkWriter(AF_INET);
  const attributes = new AttributeReader(payload, NFGENMSG_BYTES);
  while (attributes.next())
    if (keep.includes(attributes.type)) writer.bytes(attributes.type, attributes.bytes());
  attributes.finish();
  if (setId !== undefined) writer.u32be(SET_ID, setId);
  return writer.finish();
}

function attribute({ payload }: { readonly payload: Uint8Array }, type: number): Buffer | undefined {
  const attributes = new AttributeReader(
    Buffer.from(payload.buffer, payload.byteOffset, payload.length),
    NFGENMSG_BYTES,
  );
  while (attributes.next()) if (attributes.type === type) return attributes.bytes();
  return undefined;
}

function stringOf(message: { readonly payload: Uint8Array }, type: number): string {
  return attribute(message, type)?.toString("utf8").replace(/\0$/, "") ?? "";
}

function flagsOf(set: NetlinkMessage): number {
  return attribute(set, SET_FLAGS)?.readUInt32BE() ?? 0;
}

/** The elements of a message, as bytes. */
function elementsOf(payload: Uint8Array): readonly Buffer[] {
  const list = attribute({ payload }, ELEMENTS);
  if (list === undefined) return [];
  const elements: Buffer[] = [];
  const attributes = new AttributeReader(list);
  while (attributes.next()) elements.push(attributes.bytes());
  return elements;
}
