/** Lets a process run out of descriptors. */
import { closeSync, openSync } from "node:fs";
import * as libc from "../../../src/relay/libc.ts";

const RLIMIT_NOFILE = 7;

/** From now on this process gets no new descriptor, until the returned function is called. */
export function exhaustDescriptors(): () => void {
  const limit = libc.allocate(16);
  libc.prlimit(RLIMIT_NOFILE, 0, limit.address);
  const before = limit.bytes.readBigUInt64LE(0);
  const lowestFree = openSync("/dev/null", "r");
  closeSync(lowestFree);
  limit.bytes.writeBigUInt64LE(BigInt(lowestFree), 0);
  libc.prlimit(RLIMIT_NOFILE, limit.address, 0);
  return () => {
    limit.bytes.writeBigUInt64LE(before, 0);
    libc.prlimit(RLIMIT_NOFILE, limit.address, 0);
  };
}
