/** Where user-mode Linux keeps its memory: in a deleted file, which takes as much room as the system inside has touched. */
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";

const MEMORY = "/dev/shm";

/** Real memory where there is plenty of it, also for a second instance; else the folder of temporary files. */
export function memoryFolder(bytes: number): string {
  if (!existsSync(MEMORY) || mayNotExecute(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > 2.5 * bytes ? MEMORY : tmpdir();
}

/** Containers often mount it so, and user-mode Linux runs programs from its memory. */
function mayNotExecute(folder: string): boolean {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .some(([, path, , options = ""]) => path === folder && options.split(",").includes("noexec"));
}
