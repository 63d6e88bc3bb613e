/**
 * Which CPU a user-mode Linux runs on. Its kernel and its processes trace each other and run by turns: on one CPU a turn
 * is a switch, between two it is an interrupt that wakes the other.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { parseCpuList } from "../../../src/kernel/cpu-count.ts";

/** A CPU that is nobody else's until it is released, or this process ends. */
export interface ClaimedCpu {
  readonly cpu: number;
  release(): void;
}

/** The first CPU that no other user-mode Linux has; undefined when each has one already. */
export async function claimCpu(): Promise<ClaimedCpu | undefined> {
  const status = readFileSync("/proc/self/status", "utf8");
  for (const cpu of parseCpuList(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0")) {
    const claimed = await claim(cpu);
    if (claimed !== undefined) return claimed;
  }
  return undefined;
}

/** A name in the abstract namespace of sockets can be had once, leaves no file, and goes with its process. */
function claim(cpu: number): Promise<ClaimedCpu | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer().unref();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0kube-proxy-uml-cpu-${cpu}` }, () =>
      resolve({ cpu, release: () => server.close() }),
    );
  });
}
