/** The file that the relay's worker thread runs. In the bundle bin/bundle/worker-file.ts stands here. */

export function workerFile(): URL {
  return new URL("../../relay/worker.ts", import.meta.url);
}
