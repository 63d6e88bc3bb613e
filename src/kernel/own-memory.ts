/** Keeps the process from holding memory that it does not need. */
import { readFile } from "node:fs/promises";
import { madvise } from "../netlink/libc.ts";

// From <sys/mman.h>.
const MADV_DONTNEED = 4;

/** Part of a file that is mapped into a process. */
export interface Mapping {
  readonly address: number;
  /** Bytes. */
  readonly length: number;
}

/** Finds in /proc/PID/smaps what a process has of `program`, and can neither write to nor has changed. */
export function unchangedMappings(smaps: string, program: string): readonly Mapping[] {
  // A mapping is a line with its range, rights and name, and then a line for each figure.
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((text) => {
    const [, from, to, name] = /^([0-9a-f]+)-([0-9a-f]+) r-[-x][-ps] \S+ \S+ \d+ +(.*)$/m.exec(text) ?? [];
    if (from === undefined || to === undefined || name !== program) return [];
    if (!/^Anonymous: +0 kB$/m.test(text)) return [];
    const address = Number.parseInt(from, 16);
    return [{ address, length: Number.parseInt(to, 16) - address }];
  });
}

/**
 * Lets go of the pages of the running program, most of which only a start needs; those that are used come back from the
 * page cache. Returns how many bytes of address space they were in. Rejects with the system call's error.
 */
export async function releaseProgramPages(): Promise<number> {
  const mappings = unchangedMappings(await readFile("/proc/self/smaps", "utf8"), process.execPath);
  for (const { address, length } of mappings) madvise(address, length, MADV_DONTNEED);
  return mappings.reduce((sum, { length }) => sum + length, 0);
}
