/**
 * Which CPU a user-mode Linux runs on. Its kernel and its processes trace each other and run by turns: on one CPU a turn
 * is a switch, between two it is an interrupt that wakes the other.
 */
import { readFileSync } from "node:fs";

/** CPUs that this process may use, as `Cpus_allowed_list` in /proc/PID/status has them: `0-3,8`. */
export function parseCpuList(list: string): readonly number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** One for each of the workers that run at the same time, which count from 1, as far as there are so many. */
export function cpuOf(worker: number, allowed: readonly number[]): number {
  return allowed[(worker - 1) % allowed.length] ?? 0;
}

/** The CPU of this process's test worker. */
export function ownCpu(): number {
  const status = readFileSync("/proc/self/status", "utf8");
  const allowed = parseCpuList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0");
  return cpuOf(Number(process.env.VITEST_POOL_ID ?? 1), allowed);
}
