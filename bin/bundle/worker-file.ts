/** Stands in for src/backends/userspace/worker-file.ts in the bundle. */
declare const BUNDLE_WORKER: string;

/** The text of the worker's own bundle. */
export function workerFile(): string {
  return BUNDLE_WORKER;
}
