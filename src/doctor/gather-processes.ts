/** Processes of this host, from /proc: other kube-proxies, rights, and who holds the lock of iptables-legacy. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { ProcessFacts } from "./facts.ts";

/** Capabilities of a process (default: this one), a bit for each; undefined when they cannot be read. */
export function readCapabilities(pid: number | undefined): bigint | undefined {
  const status = read(`/proc/${pid ?? "self"}/status`);
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective === undefined ? undefined : BigInt(`0x${effective}`);
}

/** The name of a process's program, `?` when it has ended. Threads of the kernel have one only in `comm`. */
export function nameOfProcess(pid: number): string {
  const [program = ""] = read(`/proc/${pid}/cmdline`).split("\0");
  return basename(program) || read(`/proc/${pid}/comm`).trim() || "?";
}

/** Proxies that write to the rules of this network namespace. `known` is one that told its process id. */
export function findProxies(known: number | undefined): readonly ProcessFacts[] {
  const network = link("/proc/self/ns/net");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({ pid: Number(name), argv: read(`/proc/${name}/cmdline`).split("\0") }))
    .filter(({ pid, argv }) => pid === known || isProxy(argv, process.argv[1] ?? ""))
    .filter(({ pid }) => link(`/proc/${pid}/ns/net`) === network)
    .map(({ pid, argv }) => ({ pid, command: commandOf(argv) }));
}

const SHOWN_CHARACTERS = 100;

/** A command line without the runtime and its options. */
function commandOf(argv: readonly string[]): string {
  const program = argv.findIndex((argument, i) => i > 0 && !isFlag(argument));
  const isRuntime = /^node/.test(basename(argv[0] ?? "")) && program > 0;
  return argv
    .slice(isRuntime ? program : 0)
    .join(" ")
    .trim()
    .slice(0, SHOWN_CHARACTERS);
}

/** Names of upstream's program and of our bundle. */
const PROGRAMS = ["kube-proxy", "kube-proxy.cjs"];

/**
 * Whether a command line is that of a proxy which runs as a daemon: upstream's program, or ours, whose file stands behind
 * Node and its options, and which has only flags. Pure.
 */
export function isProxy(argv: readonly string[], entry: string): boolean {
  const program = argv.findIndex((argument) => PROGRAMS.includes(basename(argument)) || argument === entry);
  if (program < 0) return false;
  const before = argv.slice(0, program);
  // Not `vi kube-proxy`, nor a shell or wrapper that starts it.
  const isRun =
    before.length === 0 || (/^node/.test(basename(before[0] ?? "")) && before.slice(1).every(isFlag));
  const rest = argv.slice(program + 1).filter((argument) => argument !== "");
  return isRun && (rest.length === 0 || isFlag(rest[0] ?? "")) && !rest.includes("--cleanup");
}

function isFlag(argument: string): boolean {
  return argument.startsWith("-");
}

/** Processes that hold /run/xtables.lock just now: `name (pid)`. */
export function findLockHolders(path = "/run/xtables.lock"): readonly string[] {
  try {
    const { ino } = statSync(path);
    return parseLocks(read("/proc/locks"), ino).map((pid) => `${nameOfProcess(pid)} (${pid})`);
  } catch {
    return []; // Nobody has used it yet.
  }
}

/** Process ids that hold a lock on a file, by its inode (proc_locks(5)); those that wait are not among them. Pure. */
export function parseLocks(text: string, inode: number): readonly number[] {
  return text.split("\n").flatMap((line) => {
    const [, kind, , , pid = "", file = ""] = line.trim().split(/\s+/);
    return kind !== undefined && kind !== "->" && file.endsWith(`:${inode}`) ? [Number(pid)] : [];
  });
}

// Processes come and go, and those of others may not be looked into.

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
