/** Requests about sets and their entries, and the answers, as a pure codec. */
import type { AttributeReader, AttributeWriter } from "../attributes.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../messages.ts";
import { nfnetlinkReader, nfnetlinkWriter } from "../nfnetlink.ts";
import {
  ENTRY_BYTES,
  type EntryKind,
  readEntry,
  type SetEntry,
  type SetType,
  writeEntry,
} from "./entries.ts";
import * as p from "./protocol.ts";

/** A set as wanted. A bitmap:port has the range 0-65535 and none of the sizes. */
export interface SetSpec extends EntryKind {
  /** At most 31 bytes. */
  readonly name: string;
  /** Buckets to begin with, a power of two; the kernel adds more as the set fills. Default 1024. */
  readonly hashsize?: number;
  /** Most entries; default 65536. */
  readonly maxelem?: number;
}

/** Revisions that a kernel knows of a type. */
export interface RevisionRange {
  readonly min: number;
  readonly max: number;
}

/** What the kernel tells about a set, apart from its entries. */
export interface SetHeader {
  readonly name: string;
  /** `hash:ip,port` and so on; any type, for the set may be a foreign one. */
  readonly type: string;
  readonly revision: number;
  /** Undefined for a type without addresses. */
  readonly family: "inet" | "inet6" | undefined;
  /** Undefined for what is no hash. */
  readonly hashsize: number | undefined;
  readonly maxelem: number | undefined;
  /** Range of a bitmap:port. */
  readonly ports: readonly [first: number, last: number] | undefined;
  /** Number of entries; undefined before Linux 4.11. */
  readonly entries: number | undefined;
  /** Rules and sets that use the set. */
  readonly references: number;
  readonly memoryBytes: number;
  /** Seconds after which an entry goes by default; undefined for a set without timeouts. */
  readonly timeout: number | undefined;
  /** Of the addresses of a hash:ip, unless each is an entry of its own. */
  readonly netmask: number | undefined;
}

/**
 * The oldest revision with what we need: an ipset program that is older than the kernel refuses to list sets of a
 * revision it does not know, and then lists no other set either.
 */
const REVISIONS: Readonly<Record<SetType, number>> = {
  "hash:ip": 0,
  "hash:ip,port": 1,
  "hash:ip,port,ip": 1,
  "hash:ip,port,net": 2,
  "bitmap:port": 0,
};

/** Entries of a message: their list is one attribute, which may have 64 KiB at most. */
export const ENTRIES_PER_MESSAGE = Math.floor(0xfff0 / ENTRY_BYTES);

/** Asks for the revisions of a type. The kernel loads the type's module if need be. */
export function typeRequest({ type, family }: EntryKind): NetlinkRequest {
  const attributes = commandWriter()
    .string(p.IPSET_ATTR_TYPENAME, type)
    .u8(p.IPSET_ATTR_FAMILY, familyNumber({ type, family }));
  return { type: p.IPSET_CMD_TYPE, flags: 0, payload: attributes.finish() };
}

/** Reads the answer to `typeRequest`. */
export function decodeType(message: NetlinkMessage): RevisionRange {
  const attributes = nfnetlinkReader(message);
  let [min, max] = [0, 0];
  while (attributes.next()) {
    if (attributes.type === p.IPSET_ATTR_REVISION) max = attributes.u8();
    else if (attributes.type === p.IPSET_ATTR_REVISION_MIN) min = attributes.u8();
  }
  attributes.finish();
  return { min, max };
}

/** The revision to create a set with: the oldest that has what we need, among those of the kernel. */
export function chooseRevision(type: SetType, { min, max }: RevisionRange): number {
  return Math.min(Math.max(REVISIONS[type], min), max);
}

/** Creates a set; EEXIST if there is one of the name. */
export function createRequest(spec: SetSpec, revision: number): NetlinkRequest {
  const { type, hashsize, maxelem } = spec;
  const attributes = setWriter(spec.name)
    .string(p.IPSET_ATTR_TYPENAME, type)
    .u8(p.IPSET_ATTR_REVISION, revision)
    .u8(p.IPSET_ATTR_FAMILY, familyNumber(spec));
  attributes.nested(p.IPSET_ATTR_DATA, () => {
    if (type === "bitmap:port") {
      attributes.u16be(p.IPSET_ATTR_PORT | p.NLA_F_NET_BYTEORDER, 0);
      attributes.u16be(p.IPSET_ATTR_PORT_TO | p.NLA_F_NET_BYTEORDER, 0xffff);
      return;
    }
    if (hashsize !== undefined) attributes.u32be(p.IPSET_ATTR_HASHSIZE | p.NLA_F_NET_BYTEORDER, hashsize);
    if (maxelem !== undefined) attributes.u32be(p.IPSET_ATTR_MAXELEM | p.NLA_F_NET_BYTEORDER, maxelem);
  });
  return { type: p.IPSET_CMD_CREATE, flags: NLM_F_CREATE | NLM_F_EXCL, payload: attributes.finish() };
}

/** Destroys a set; ENOENT if there is none, IPSET_ERR_BUSY if a rule or another set uses it. */
export function destroyRequest(name: string): NetlinkRequest {
  // Without NLM_F_EXCL recent kernels do not tell of a missing set.
  return { type: p.IPSET_CMD_DESTROY, flags: NLM_F_EXCL, payload: setWriter(name).finish() };
}

/** Removes all entries of a set. */
export function flushRequest(name: string): NetlinkRequest {
  return { type: p.IPSET_CMD_FLUSH, flags: 0, payload: setWriter(name).finish() };
}

/** Gives a set a new name, which must be free, while nothing uses it (IPSET_ERR_REFERENCED). */
export function renameRequest(from: string, to: string): NetlinkRequest {
  return { type: p.IPSET_CMD_RENAME, flags: 0, payload: twoSets(from, to) };
}

/** Exchanges two sets of the same type and family: rules that use one then use the content of the other. */
export function swapRequest(one: string, other: string): NetlinkRequest {
  return { type: p.IPSET_CMD_SWAP, flags: 0, payload: twoSets(one, other) };
}

/** Asks, in a dump, for the header of one set or of all. */
export function headerRequest(name?: string): NetlinkRequest {
  const attributes = name === undefined ? commandWriter() : setWriter(name);
  attributes.u32be(p.IPSET_ATTR_FLAGS | p.NLA_F_NET_BYTEORDER, p.IPSET_FLAG_LIST_HEADER);
  return { type: p.IPSET_CMD_LIST, flags: 0, payload: attributes.finish() };
}

/** Asks, in a dump, for the entries of a set. */
export function entriesRequest(name: string): NetlinkRequest {
  return { type: p.IPSET_CMD_LIST, flags: 0, payload: setWriter(name).finish() };
}

/**
 * Adds or deletes entries, up to `ENTRIES_PER_MESSAGE`, in their order until one is refused. With `strict`, an entry that
 * is there already (add) or is not there (delete) is refused.
 */
export function changeRequest(
  change: "add" | "delete",
  set: SetSpec,
  entries: readonly SetEntry[],
  strict: boolean,
): NetlinkRequest {
  const attributes = setWriter(set.name);
  if (entries.length === 1) writeData(attributes, set, entries);
  // The kernel wants the line number to be there with a list, where it would note the line of a refused entry. Entries
  // have no lines here: it would answer with the whole message, where a plain error is short.
  else
    attributes
      .u32(p.IPSET_ATTR_LINENO, 0)
      .nested(p.IPSET_ATTR_ADT, () => writeData(attributes, set, entries));
  return {
    type: change === "add" ? p.IPSET_CMD_ADD : p.IPSET_CMD_DEL,
    flags: strict ? NLM_F_EXCL : 0,
    payload: attributes.finish(),
  };
}

/** Reads a set's header from a message of a dump; undefined if the message only carries on with the entries of a set. */
export function decodeHeader(message: NetlinkMessage): SetHeader | undefined {
  const attributes = nfnetlinkReader(message);
  let [name, type, revision, family] = ["", "", 0, AF_UNSPEC];
  const data = new Map<number, number>();
  while (attributes.next()) {
    if (attributes.type === p.IPSET_ATTR_SETNAME) name = attributes.string();
    else if (attributes.type === p.IPSET_ATTR_TYPENAME) type = attributes.string();
    else if (attributes.type === p.IPSET_ATTR_REVISION) revision = attributes.u8();
    else if (attributes.type === p.IPSET_ATTR_FAMILY) family = attributes.u8();
    else if (attributes.type === p.IPSET_ATTR_DATA) attributes.nested(() => readNumbers(attributes, data));
  }
  attributes.finish();
  if (type === "") return undefined;
  const [first, last] = [data.get(p.IPSET_ATTR_PORT), data.get(p.IPSET_ATTR_PORT_TO)];
  return {
    name,
    type,
    revision,
    family: family === AF_INET ? "inet" : family === AF_INET6 ? "inet6" : undefined,
    hashsize: data.get(p.IPSET_ATTR_HASHSIZE),
    maxelem: data.get(p.IPSET_ATTR_MAXELEM),
    ports: first === undefined || last === undefined ? undefined : [first, last],
    entries: data.get(p.IPSET_ATTR_ELEMENTS),
    references: data.get(p.IPSET_ATTR_REFERENCES) ?? 0,
    memoryBytes: data.get(p.IPSET_ATTR_MEMSIZE) ?? 0,
    timeout: data.get(p.IPSET_ATTR_TIMEOUT),
    netmask: data.get(p.IPSET_ATTR_NETMASK),
  };
}

/** Canonical texts of the entries in a message of a dump. */
export function decodeEntries(message: NetlinkMessage, kind: EntryKind): string[] {
  const attributes = nfnetlinkReader(message);
  const entries: string[] = [];
  while (attributes.next()) {
    if (attributes.type !== p.IPSET_ATTR_ADT) continue;
    attributes.nested(() => {
      while (attributes.next()) attributes.nested(() => entries.push(readEntry(attributes, kind)));
    });
  }
  attributes.finish();
  return entries;
}

function commandWriter(): AttributeWriter {
  return nfnetlinkWriter(AF_UNSPEC).u8(p.IPSET_ATTR_PROTOCOL, p.PROTOCOL);
}

function setWriter(name: string): AttributeWriter {
  return commandWriter().string(p.IPSET_ATTR_SETNAME, checkName(name));
}

function twoSets(one: string, other: string): Buffer {
  return setWriter(one).string(p.IPSET_ATTR_SETNAME2, checkName(other)).finish();
}

function checkName(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes > 0 && bytes <= p.NAME_BYTES) return name;
  throw new RangeError(`name of a set must have 1 to ${p.NAME_BYTES} bytes: ${JSON.stringify(name)}`);
}

function familyNumber({ type, family }: EntryKind): number {
  if (type === "bitmap:port") return AF_UNSPEC;
  return family === "inet" ? AF_INET : AF_INET6;
}

function writeData(attributes: AttributeWriter, kind: EntryKind, entries: readonly SetEntry[]): void {
  for (const entry of entries)
    attributes.nested(p.IPSET_ATTR_DATA, () => writeEntry(attributes, kind, entry));
}

/** Numbers in network order, by type; anything else is left out. */
function readNumbers(attributes: AttributeReader, into: Map<number, number>): void {
  while (attributes.next()) {
    const bytes = attributes.bytes();
    if (bytes.length <= 4) into.set(attributes.type, bytes.readUIntBE(0, bytes.length));
  }
}
