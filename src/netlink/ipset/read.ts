/** What the kernel has: headers of sets, and their entries. */
import { isNetlinkError } from "../errors.ts";
import { type NetlinkSocket, untilConsistent } from "../socket.ts";
import type { EntryKind } from "./entries.ts";
import type { SetHeader } from "./requests.ts";
import * as requests from "./requests.ts";

/** The header of a set; undefined if there is none of the name. Throws a NetlinkError. */
export async function readHeader(socket: NetlinkSocket, name: string): Promise<SetHeader | undefined> {
  try {
    return (await headers(socket, name)).find((header) => header.name === name);
  } catch (error) {
    if (isNetlinkError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The headers of all sets, in the kernel's order. Throws a NetlinkError. */
export function listHeaders(socket: NetlinkSocket): Promise<SetHeader[]> {
  return headers(socket, undefined);
}

/**
 * Streams the entries of a set as canonical texts, in no order, an array for each datagram of some hundred. Entries that
 * come and go meanwhile may be there or not. Throws ENOENT if there is no such set, or another NetlinkError. The kind
 * must be that of the set.
 */
export async function* dumpEntries(
  socket: NetlinkSocket,
  set: EntryKind & { readonly name: string },
): AsyncGenerator<readonly string[], void> {
  const request = requests.entriesRequest(set.name);
  for await (const messages of socket.dump(`list set ${set.name}`, request)) {
    for (const message of messages) yield requests.decodeEntries(message, set);
  }
}

/** All entries of a set, as `dumpEntries` gives them. */
export function readEntries(
  socket: NetlinkSocket,
  set: EntryKind & { readonly name: string },
): Promise<Set<string>> {
  return untilConsistent(async () => {
    const entries = new Set<string>();
    for await (const part of dumpEntries(socket, set)) for (const entry of part) entries.add(entry);
    return entries;
  });
}

async function headers(socket: NetlinkSocket, name: string | undefined): Promise<SetHeader[]> {
  const messages = await socket.dumpAll(
    name === undefined ? "list sets" : `list set ${name}`,
    requests.headerRequest(name),
  );
  return messages.flatMap((message) => requests.decodeHeader(message) ?? []);
}
