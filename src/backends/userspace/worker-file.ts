/** The file that the relay's worker thread runs. */
import { join } from "node:path";

/** In a bundle (package.json, `build`), whose module has no URL, the worker's own is beside the program's. */
export function workerFile(): URL | string {
  const here: string | undefined = import.meta.url;
  return here === undefined ? join(__dirname, "relay-worker.cjs") : new URL("../../relay/worker.ts", here);
}
