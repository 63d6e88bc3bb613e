/** Big answers in small pieces: other work of the process goes on between them, and no more is made than is taken. */
import { setImmediate as nextTurn } from "node:timers/promises";

const CHUNK_CHARACTERS = 32 * 1024;
/** Rows are made for this long before other work gets its turn. */
const SLICE_MS = 5;

/** JSON of each row on a line of its own, joined to pieces of moderate size. Rows are only made as pieces are taken. */
export async function* jsonLines(rows: Iterable<object>): AsyncGenerator<string> {
  let chunk = "";
  let startedMs = performance.now();
  for (const row of rows) {
    chunk += `${JSON.stringify(row)}\n`;
    const late = performance.now() - startedMs >= SLICE_MS;
    if (chunk.length >= CHUNK_CHARACTERS) {
      yield chunk;
      chunk = "";
    }
    if (!late) continue;
    await nextTurn();
    startedMs = performance.now();
  }
  if (chunk !== "") yield chunk;
}
