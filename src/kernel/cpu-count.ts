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
  return parseCpuList(list).length;
}

/** The numbers in such a list, as the kernel has them in sysfs and in /proc/PID/status; none when it is no list. */
export function parseCpuList(list: string): readonly number[] {
  const numbers: number[] = [];
  for (const range of list.trim().split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) return [];
    const first = Number(match[1]);
    for (let cpu = first; cpu <= Number(match[2] ?? first); cpu++) numbers.push(cpu);
  }
  return numbers;
}
