/** Lets one process have sockets in several network namespaces. */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";

/** linux/sched.h */
const CLONE_NEWNET = 0x40000000;

/**
 * Runs synchronous work inside the network namespace of another process: a socket stays in the namespace in which it was
 * made, so what listens there is served from here. Only this thread moves, and only for the duration of the call.
 */
export function inNetworkOf<T>(pid: number, work: () => T): T {
  const goBack = moveToNetworkOf(pid);
  try {
    return work();
  } finally {
    goBack();
  }
}

/** Moves this thread into the network namespace of another process, until the returned function is called. */
export function moveToNetworkOf(pid: number): () => void {
  const home = openSync("/proc/thread-self/ns/net", "r");
  enter(`/proc/${pid}/ns/net`);
  return () => {
    join(home);
    closeSync(home);
  };
}

function enter(path: string): void {
  const fd = openSync(path, "r");
  try {
    join(fd);
  } finally {
    closeSync(fd);
  }
}

function join(fd: number): void {
  // Not at import: only Linux has it, and elsewhere the tests should be skipped, not fail to load.
  const setns = koffi.load(null).func("int setns(int fd, int type)");
  if (setns(fd, CLONE_NEWNET) === 0) return;
  const name = Object.entries(constants.errno).find(([, number]) => number === koffi.errno())?.[0];
  throw new Error(`setns: ${name ?? koffi.errno()}`);
}
