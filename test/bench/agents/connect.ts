/** One TCP connection to a pod or a Service. */
import { connect } from "node:net";
import { availableParallelism } from "node:os";
import { monotonicMs } from "./clock.ts";

/** The address of the pod that answered and when it did; undefined if none did. */
export interface Answer {
  readonly pod: string;
  readonly atMs: number;
}

/** Where everybody shares one processor, the one that answers may have to wait for it. */
const TIMEOUT_MS = availableParallelism() < 2 ? 5_000 : 500;

/** Connects and waits for the pod's answer. Never rejects. */
export function ask(host: string, port: number): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
    socket.on("data", (data) => {
      resolve({ pod: data.toString(), atMs: monotonicMs() });
      // A reset leaves nothing behind: neither this end nor connection tracking waits for stragglers.
      socket.resetAndDestroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
