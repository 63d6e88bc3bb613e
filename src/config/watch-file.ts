/** Notices that the configuration file now says something else. */
import { readFileSync, unwatchFile, watchFile } from "node:fs";

/** How often the file's metadata are looked at, in milliseconds. */
const INTERVAL_MS = 2_000;

/**
 * Calls `onChange` once when the content of the file differs from what it was at this call: after a write, a rename
 * over it, or a ConfigMap mount swapping the symbolic link in its path. A file that is gone, only touched, or
 * rewritten with the same text is no change. Throws when the file cannot be read at first.
 *
 * Looks at the metadata every `intervalMs` instead of asking inotify: the limit on inotify instances is shared by
 * every container of a node, and running into it must not keep the proxy from starting. Does not keep the process alive.
 */
export function watchConfigFile(
  path: string,
  onChange: () => void,
  { intervalMs = INTERVAL_MS }: { intervalMs?: number } = {},
): { close(): void } {
  const original = readFileSync(path);
  const close = (): void => unwatchFile(path, listener);
  const listener = (): void => {
    const current = readIfPresent(path);
    if (current === undefined || current.equals(original)) return;
    close();
    onChange();
  };
  watchFile(path, { interval: intervalMs, persistent: false }, listener);
  return { close };
}

/** A file that cannot be read right now (being replaced, removed) is judged when it is back. */
function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
