/**
 * One end of many connections, in a process of its own: descriptors are counted for each process. Arguments: the process
 * whose network namespace it is, then the address to connect to, or several to listen on. What it is told to do, and the
 * answers, go over the channel to its parent.
 */
import type { EndAnswer, EndOrder } from "./ends.ts";
import { TestServer, TestSocket, until } from "./sockets.ts";

const [, , role, pid, ...addresses] = process.argv;
const namespace = { pid: Number(pid) };
const sockets: TestSocket[] = [];
const servers = role === "servers" ? addresses.map((address) => new TestServer(namespace, address)) : [];

function acceptAll(): void {
  for (const server of servers) {
    for (let socket = server.tryAccept(); socket; socket = server.tryAccept()) sockets.push(socket);
  }
}

async function obey(order: EndOrder): Promise<void> {
  if (order.what === "have" && role === "servers") {
    await until("accepted", () => {
      acceptAll();
      return sockets.length >= order.count;
    });
  } else if (order.what === "have") {
    sockets.push(...TestSocket.beginMany(namespace, addresses[0] ?? "", order.count - sockets.length));
  } else if (order.what === "send") {
    for (const socket of sockets.slice(0, order.count)) socket.trySend(order.text);
  } else {
    for (const socket of sockets.splice(0)) socket.close();
  }
}

process.on("message", async (order: EndOrder) => {
  let answer: EndAnswer = {};
  try {
    await obey(order);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.send?.(answer);
});
process.on("disconnect", () => process.exit(0));
process.send?.({});
