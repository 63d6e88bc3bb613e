/** Reads one watch to its end. */
import type { Readable } from "node:stream";
import { ApiError, errorOfStatus } from "./api-error.ts";
import { LineSplitter } from "./api-lines.ts";
import { wrapError } from "./api-request.ts";

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: unknown;
  /** metadata.resourceVersion of the object; "" when it has none. */
  readonly version: string;
}

const TYPES: ReadonlySet<unknown> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]);

/**
 * Calls `onEvent` for each event of a watch until the server ends it. Rejects with an ApiError when the stream
 * breaks, falls silent, carries an ERROR event, or holds something that is no event; whole lines before that have
 * been delivered, so the watch can go on from the last version.
 */
export async function readWatch(
  body: Readable,
  path: string,
  onEvent: (event: WatchEvent) => void,
): Promise<void> {
  const lines = new LineSplitter();
  try {
    for await (const chunk of body) {
      for (const line of lines.push(chunk)) {
        if (line.trim() !== "") onEvent(parseEvent(line, path));
      }
    }
  } catch (error) {
    if (error instanceof RangeError) throw malformed(path, error.message);
    throw wrapError({ path }, error);
  }
  if (lines.pendingBytes > 0)
    throw malformed(path, `ended inside a line, after ${lines.pendingBytes} bytes of it`);
}

function parseEvent(line: string, path: string): WatchEvent {
  let event: { type?: unknown; object?: { metadata?: { resourceVersion?: unknown } } | null };
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw malformed(path, (error as Error).message);
  }
  if (event?.type === "ERROR") throw errorOfStatus(`watch ${path}`, event.object);
  if (!TYPES.has(event?.type)) throw malformed(path, `unknown event ${line.slice(0, 80)}`);
  const version = event.object?.metadata?.resourceVersion;
  return {
    type: event.type as WatchEvent["type"],
    object: event.object,
    version: typeof version === "string" ? version : "",
  };
}

function malformed(path: string, what: string): ApiError {
  return new ApiError("API_MALFORMED", `watch ${path}: ${what}`);
}
