/** All pods of the cluster in one process: accepts connections to any address and answers with that address. */
import { once } from "node:events";
import { createServer } from "node:net";
import { answerCalls } from "./rpc.ts";

const calls = {
  async serve(port: number): Promise<void> {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(socket.localAddress ?? "");
    });
    server.listen({ port, host: "0.0.0.0", backlog: 4096 });
    await once(server, "listening");
  },
};

export type PodsCalls = typeof calls;

answerCalls(calls);
