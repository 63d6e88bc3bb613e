/** All pods of the cluster in one process: accepts connections to any address and answers with that address. */

import { once } from "node:events";
import { closeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { monotonicMs } from "./clock.ts";
import { answerCalls } from "./rpc.ts";
import { listenSilently } from "./sockets.ts";

let port = 0;
/** Pods that have answered at all since the last watch began, beside those that are watched. */
const strangers = new Set<string>();
/** Listeners at single addresses, which take precedence over the one at all addresses. */
let silent: readonly number[] = [];
let watched: readonly Server[] = [];
let sighting = Promise.withResolvers<number>();

/** Tells its address and then repeats what it hears. */
function answer(socket: Socket): void {
  socket.on("error", () => {});
  socket.write(socket.localAddress ?? "");
  socket.pipe(socket);
}

async function listen(onConnection: (socket: Socket) => void, host: string): Promise<Server> {
  const server = createServer(onConnection);
  server.listen({ port, host, backlog: 4096, reusePort: true });
  await once(server, "listening");
  return server;
}

function closeListeners(): void {
  for (const fd of silent) closeSync(fd);
  for (const server of watched) server.close();
  silent = [];
  watched = [];
}

const calls = {
  async serve(onPort: number): Promise<void> {
    port = onPort;
    await listen((socket) => {
      strangers.add(socket.localAddress ?? "");
      answer(socket);
    }, "0.0.0.0");
  },

  /**
   * From now on the kernel alone answers for the `known` pods, as long as {@link unwatch} is not called: connections to
   * them take no time of any process. The first connection to one of the `awaited` pods is the sighting.
   */
  async watch({ awaited, known }: { awaited: readonly string[]; known: readonly string[] }): Promise<void> {
    closeListeners();
    sighting = Promise.withResolvers();
    silent = known.filter((pod) => !awaited.includes(pod)).map((pod) => listenSilently(pod, port));
    const sighted = (socket: Socket): void => {
      sighting.resolve(monotonicMs());
      answer(socket);
    };
    watched = await Promise.all(awaited.map((pod) => listen(sighted, pod)));
    strangers.clear();
  },

  /** When the sighting was; waits for it. */
  sighted(): Promise<number> {
    return sighting.promise;
  },

  /** Ends the watch; returns the pods that were neither awaited nor known and were connected to all the same. */
  unwatch(): readonly string[] {
    closeListeners();
    return [...strangers];
  },
};

export type PodsCalls = typeof calls;

answerCalls(calls);
