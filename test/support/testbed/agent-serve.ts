/** Server side of the agent: answers every client with its own name and the client's address as seen here. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv6 } from "node:net";
import type { ServeRequest } from "./agent-protocol.ts";

/** Resolves when every socket listens. */
export async function serve({ name, hosts, ports }: ServeRequest): Promise<true> {
  const listening = hosts.flatMap((host) =>
    ports.flatMap((port) => [serveTcp(name, host, port), serveUdp(name, host, port)]),
  );
  await Promise.all(listening);
  return true;
}

async function serveTcp(name: string, host: string, port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(answer(name, socket.remoteAddress ?? "?"));
  });
  server.listen({ port, host, backlog: 4096 });
  await once(server, "listening");
}

async function serveUdp(name: string, host: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  socket.on("message", (_message, from) => socket.send(answer(name, from.address), from.port, from.address));
  socket.bind(port, host);
  await once(socket, "listening");
  // After start only answers to vanished clients can fail.
  socket.on("error", () => {});
}

function answer(name: string, client: string): string {
  return `${name} ${client.replace(/^::ffff:/, "")}\n`;
}
