/** Adding and deleting entries, many in one message. */
import type { KernelStatus } from "../errors.ts";
import type { NetlinkRequest } from "../messages.ts";
import type { NetlinkSocket } from "../socket.ts";
import { canonicalEntry, parseEntry } from "./entries.ts";
import { IpsetEntryError, IpsetError } from "./errors.ts";
import { IPSET_ERR_PROTOCOL } from "./protocol.ts";
import { readEntries } from "./read.ts";
import { changeRequest, ENTRIES_PER_MESSAGE, type SetSpec } from "./requests.ts";
import { ensureSet } from "./sets.ts";

/** Refusals of so many messages fit a receive buffer of the default size. */
const SINGLES_PER_DATAGRAM = 100;

export interface ChangeOptions {
  /** An entry that is there already (add) or is not there (delete) is a failure; by default it is none. */
  readonly strict?: boolean;
}

/**
 * Adds entries, given as text. Returns those that the kernel refused (`IPSET_ERR_HASH_FULL`, and with `strict`
 * `IPSET_ERR_EXIST`); all others are in the set. Throws a RangeError, before anything is written, for a text that is no
 * entry of the set's kind, and an IpsetError when the set is missing (ENOENT) or the kernel refuses for another reason
 * that is not about an entry; entries may then have been written.
 */
export function addEntries(
  socket: NetlinkSocket,
  set: SetSpec,
  entries: Iterable<string>,
  options: ChangeOptions = {},
): readonly IpsetEntryError[] {
  return change(socket, "add", set, [...entries], options);
}

/** Deletes entries; as `addEntries`. */
export function deleteEntries(
  socket: NetlinkSocket,
  set: SetSpec,
  entries: Iterable<string>,
  options: ChangeOptions = {},
): readonly IpsetEntryError[] {
  return change(socket, "delete", set, [...entries], options);
}

/** What `syncSet` did. */
export interface SyncResult {
  readonly created: boolean;
  readonly added: number;
  readonly deleted: number;
  /** Entries that the kernel refused. */
  readonly failures: readonly IpsetEntryError[];
}

/**
 * Makes a set and its entries, given as text, be as wanted, writing only the difference. What is not wanted goes first,
 * for it may have the room that the rest needs. Throws as `ensureSet` and `addEntries` do.
 */
export async function syncSet(
  socket: NetlinkSocket,
  set: SetSpec,
  wanted: Iterable<string>,
): Promise<SyncResult> {
  const created = await ensureSet(socket, set);
  const present = created ? new Set<string>() : await readEntries(socket, set);
  const entries = new Set<string>();
  // What the kernel has is canonical: most texts need no look.
  for (const text of wanted) entries.add(present.has(text) ? text : canonicalEntry(set, text));
  const surplus = [...present].filter((entry) => !entries.has(entry));
  const missing = [...entries].filter((entry) => !present.has(entry));
  const undeleted = deleteEntries(socket, set, surplus);
  const unadded = addEntries(socket, set, missing);
  return {
    created,
    added: missing.length - unadded.length,
    deleted: surplus.length - undeleted.length,
    failures: [...undeleted, ...unadded],
  };
}

function change(
  socket: NetlinkSocket,
  verb: "add" | "delete",
  set: SetSpec,
  entries: readonly string[],
  { strict = false }: ChangeOptions,
): readonly IpsetEntryError[] {
  const job: Job = { socket, verb, set, strict };
  // Where being there already counts, a list will not do: it ends at the first refusal, and cannot be repeated.
  return strict ? writeSingly(job, entries) : writeLists(job, entries);
}

interface Job {
  readonly socket: NetlinkSocket;
  readonly verb: "add" | "delete";
  readonly set: SetSpec;
  readonly strict: boolean;
}

/** Entries and the message that writes them. */
interface Message {
  readonly entries: readonly string[];
  readonly request: NetlinkRequest;
}

function writeLists(job: Job, entries: readonly string[]): readonly IpsetEntryError[] {
  const failures: IpsetEntryError[] = [];
  for (const message of encode(job, entries, ENTRIES_PER_MESSAGE)) {
    // One entry at least is refused, and those behind it have not been tried. The others bear being written again.
    if (refused(job, [message]).length > 0) failures.push(...writeSingly(job, message.entries));
  }
  return failures;
}

function writeSingly(job: Job, entries: readonly string[]): readonly IpsetEntryError[] {
  const { verb, set } = job;
  const operation = verb === "add" ? `add to set ${set.name}` : `delete from set ${set.name}`;
  const failures: IpsetEntryError[] = [];
  for (const messages of chunk(encode(job, entries, 1), SINGLES_PER_DATAGRAM)) {
    for (const [message, status] of refused(job, messages)) {
      const entry = canonicalEntry(set, message.entries[0] ?? "");
      failures.push(new IpsetEntryError(operation, entry, status, set.type));
    }
  }
  return failures;
}

/** All messages, before any is sent: a text that cannot be encoded must not leave half of them written. */
function encode({ verb, set, strict }: Job, entries: readonly string[], size: number): Message[] {
  return chunk(entries, size).map((part) => {
    const values = part.map((text) => parseEntry(set, text));
    return { entries: part, request: changeRequest(verb, set, values, strict) };
  });
}

/** Sends messages in one datagram and returns those with an entry that the kernel refused. */
function refused(
  { socket, verb, set }: Job,
  messages: readonly Message[],
): (readonly [Message, KernelStatus])[] {
  const replies = socket.exchange(messages.map(({ request }) => request));
  return messages.flatMap((message, i) => {
    const status = replies[i]?.status;
    if (status === undefined || status.errno === 0) return [];
    if (status.errno <= IPSET_ERR_PROTOCOL)
      throw new IpsetError(`${verb} entries of set ${set.name}`, status, set.type);
    return [[message, status] as const];
  });
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}
