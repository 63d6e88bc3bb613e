/** Ten thousand connections that do nothing, or as many as this process may have. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket, until } from "../support/relay/sockets.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

const MOST = 10_000;
const PORT = 8200;

describe.skipIf(missing)(`relay, idle connections${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());

  it("cost little memory, and do not slow the others down", async () => {
    const { virtual, servers } = ADDRESSES.IPv4;
    const endpoints = servers.map((address) => at(address, PORT));
    const relay = await network.startRelay({ limits: { connectionsPerClient: MOST } });
    // This process has all four ends of each connection.
    const count = Math.min(MOST, Math.floor((relay.descriptors - 500) / 4));
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, endpoints)] });
    const listening = endpoints.map((endpoint) => new TestServer(network.server, endpoint));
    const clients: TestSocket[] = [];
    const accepted: TestSocket[] = [];
    const open = async (more: number): Promise<void> => {
      clients.push(...TestSocket.beginMany(network.client, at(virtual, PORT), more));
      await until("all connected", () => {
        for (const server of listening) {
          for (let socket = server.tryAccept(); socket; socket = server.tryAccept()) accepted.push(socket);
        }
        return accepted.length === clients.length;
      });
    };
    await open(200);
    const before = residentBytes();
    while (clients.length < count) await open(Math.min(200, count - clients.length));
    const each = Math.round((residentBytes() - before) / (count - 200));
    console.log(
      `${count} connections: ${each} bytes of resident memory for each idle connection, the test's own included`,
    );
    // The garbage of two threads is in it; the relay's part is about 1 KiB.
    expect(each).toBeLessThan(10_000);
    const stats = await relay.stats();
    expect(stats).toMatchObject({ connections: count, internalErrors: 0 });
    for (const { active } of stats.ports[0]?.endpoints ?? [])
      expect(Math.abs(active - count / 3)).toBeLessThan(2);
    const begin = performance.now();
    for (const socket of accepted.slice(0, 100)) socket.trySend("wake up");
    await until("all woken", async () => (await relay.stats()).ports[0]?.bytesToClient === 700);
    expect(performance.now() - begin).toBeLessThan(5000);
    for (const socket of clients) socket.close();
    await until("all closed for writing", () => accepted.every((socket) => socket.hasNews));
    for (const socket of accepted) socket.close();
    await until("all over", async () => (await relay.stats()).connections === 0);
    for (const server of listening) server[Symbol.dispose]();
    await relay.stop({ graceMs: 0 });
  });
});

function residentBytes(): number {
  return Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
}
