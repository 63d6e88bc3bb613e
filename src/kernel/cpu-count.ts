/** How many processors the machine has. */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";

/**
 * Online processors of the machine, whatever share of them a cgroup or an affinity mask leaves to this process: the
 * connection tracking table serves the whole node. Falls back to what Node sees where sysfs is not mounted.
 */
export function machineCpuCount(onlineFile = "/sys/devices/system/cpu/online"): number {
  let list: string;
  try {
    list = readFileSync(onlineFile, "utf8");
  } catch {
    return cpus().length;
  }
  return countCpuList(list) || cpus().length;
}

/** Counts a list such as `0-3,8,10-11`; 0 when it is none. */
export function countCpuList(list: string): number {
  let count = 0;
  for (const range of list.trim().split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) return 0;
    const first = Number(match[1]);
    count += Math.max(0, Number(match[2] ?? first) - first + 1);
  }
  return count;
}
