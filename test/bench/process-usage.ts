/** What a process has used, as /proc tells. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface CpuUsage {
  /** Milliseconds of the process itself, user and system. */
  readonly ownMs: number;
  /** Milliseconds of its children that have ended: the iptables programs. */
  readonly childrenMs: number;
}

export interface MemoryUsage {
  /** Megabytes (2^20 bytes) resident at most so far, VmHWM. */
  readonly peakMB: number;
  /** Megabytes resident now, VmRSS. */
  readonly residentMB: number;
}

/** Where a process's resident memory is, in megabytes (2^20 bytes). */
export interface MemoryProfile {
  readonly residentMB: number;
  /** As resident, but each page divided by the number of processes that have it. */
  readonly proportionalMB: number;
  /** Unchanged pages of the file that runs: in memory once, however many processes run it. */
  readonly programMB: number;
  /** Unchanged pages of other files. */
  readonly librariesMB: number;
  /** What no file has: the heaps of JavaScript and of the C library, stacks, changed data. */
  readonly anonymousMB: number;
}

const MS_PER_TICK = 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** CPU time used so far; in steps of 10 ms on a kernel that does not tell more exactly. */
export function cpuUsage(pid: number): CpuUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, in parentheses, may hold anything; what follows it starts with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ms = (field: number): number => Number(fields[field - 3]) * MS_PER_TICK;
  return { ownMs: exactMs(pid) ?? ms(14) + ms(15), childrenMs: ms(16) + ms(17) };
}

/** What the scheduler gave the process's threads, none of which ever ends; undefined where the kernel does not show it. */
function exactMs(pid: number): number | undefined {
  const threads = `/proc/${pid}/task`;
  try {
    const times = readdirSync(threads).map((thread) =>
      Number(
        /^se\.sum_exec_runtime\s*:\s*([\d.]+)/m.exec(readFileSync(`${threads}/${thread}/sched`, "utf8"))?.[1],
      ),
    );
    const sum = times.reduce((total, time) => total + time, 0);
    return Number.isNaN(sum) ? undefined : sum;
  } catch {
    return undefined;
  }
}

export function cpuSince(pid: number, before: CpuUsage): CpuUsage {
  const now = cpuUsage(pid);
  return { ownMs: now.ownMs - before.ownMs, childrenMs: now.childrenMs - before.childrenMs };
}

export function memoryUsage(pid: number): MemoryUsage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1024;
  return { peakMB: megabytes("VmHWM"), residentMB: megabytes("VmRSS") };
}

export function memoryProfile(pid: number): MemoryProfile {
  const program = readlinkSync(`/proc/${pid}/exe`);
  const profile = { residentMB: 0, proportionalMB: 0, programMB: 0, librariesMB: 0, anonymousMB: 0 };
  // A mapping is a line with its range, its file's name last, and then a line for each figure.
  for (const mapping of readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const megabytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(mapping)?.[1]) / 1024;
    const [resident, anonymous] = [megabytes("Rss"), megabytes("Anonymous")];
    profile.residentMB += resident;
    profile.proportionalMB += megabytes("Pss");
    profile.anonymousMB += anonymous;
    const isProgram = mapping.split("\n", 1)[0]?.endsWith(` ${program}`);
    profile[isProgram ? "programMB" : "librariesMB"] += resident - anonymous;
  }
  return profile;
}
