/** How many descriptors this process may have. */
import { readFileSync } from "node:fs";
import { RLIMIT_NOFILE } from "./constants.ts";
import * as libc from "./libc.ts";

/** What the kernel allows at most where its file cannot be read. */
const MOST_DESCRIPTORS = 1024 * 1024;

/**
 * Raises the limit to `wanted`, or as near to it as is allowed (beyond the hard limit only with CAP_SYS_RESOURCE). It is
 * never lowered. Returns the limit that holds.
 */
export function raiseDescriptorLimit(wanted: number): number {
  const current = libc.allocate(16);
  if (libc.prlimit(RLIMIT_NOFILE, 0, current.address) < 0) return 0;
  const [soft, hard] = [limitAt(current.bytes, 0), limitAt(current.bytes, 8)];
  const target = Math.min(wanted, mostDescriptors());
  if (target <= soft) return soft;
  if (setLimit(target, Math.max(target, hard))) return target;
  const allowed = Math.min(target, hard);
  return allowed > soft && setLimit(allowed, hard) ? allowed : soft;
}

function setLimit(soft: number, hard: number): boolean {
  const limit = libc.allocate(16);
  limit.bytes.writeBigUInt64LE(BigInt(soft), 0);
  limit.bytes.writeBigUInt64LE(BigInt(hard), 8);
  return libc.prlimit(RLIMIT_NOFILE, limit.address, 0) === 0;
}

/** RLIM_INFINITY, all ones, becomes a number that can be handled. */
function limitAt(bytes: Buffer, at: number): number {
  return Math.min(Number(bytes.readBigUInt64LE(at)), Number.MAX_SAFE_INTEGER);
}

function mostDescriptors(): number {
  try {
    return Number(readFileSync("/proc/sys/fs/nr_open", "utf8"));
  } catch {
    return MOST_DESCRIPTORS;
  }
}
