/** The relay at its limits: too many clients, no descriptors, sides that do not read, idle connections, draining, stop. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exhaustDescriptors } from "../support/relay/descriptors.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket, until } from "../support/relay/sockets.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

const { virtual, servers } = ADDRESSES.IPv4;
const PORT = 8100;
const first = at(servers[0], PORT);
const second = at(servers[1], PORT);
const destination = at(virtual, PORT);

describe.skipIf(missing)(`relay, limits${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());

  async function pair(server: TestServer): Promise<[TestSocket, TestSocket]> {
    const client = await TestSocket.connect(network.client, destination);
    return [client, await server.accept()];
  }

  it("resets clients over the limit, for one address and in all", async () => {
    const relay = await network.startRelay({ limits: { connections: 3, connectionsPerClient: 2 } });
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [first])] });
    using server = new TestServer(network.server, first);
    const pairs = [await pair(server), await pair(server)];
    using third = TestSocket.begin(network.client, destination);
    expect(await third.read()).toBe("ECONNRESET");
    expect(await relay.stats()).toMatchObject({ refusedByLimit: 1, connections: 2 });
    // Room again for one.
    pairs[0]?.[0].reset();
    await until("room", async () => (await relay.stats()).connections === 1);
    const [client, accepted] = await pair(server);
    await client.send("x");
    expect((await accepted.readBytes(1)).toString()).toBe("x");
    await relay.stop({ graceMs: 0 });
    expect(await client.read()).toBe("ECONNRESET");
  });

  it("survives the want of descriptors, and recovers", async () => {
    const relay = await network.startRelay();
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [first])] });
    using server = new TestServer(network.server, first);
    const [client, accepted] = await pair(server);
    const unlucky = Array.from({ length: 5 }, () => TestSocket.open(network.client, destination));
    // Relay and test are one process, with one table of descriptors.
    const recover = exhaustDescriptors();
    let results: unknown[] = [];
    try {
      for (const socket of unlucky) socket.start(destination);
      results = await Promise.all(unlucky.map((socket) => socket.read()));
      await client.send("still here");
      expect((await accepted.readBytes(10)).toString()).toBe("still here");
    } finally {
      recover();
    }
    expect(results).toEqual(unlucky.map(() => "ECONNRESET"));
    const [late, served] = await pair(server);
    await late.send("back");
    expect((await served.readBytes(4)).toString()).toBe("back");
    const stats = await relay.stats();
    expect(stats.outOfDescriptors + (stats.ports[0]?.failures.resources ?? 0)).toBeGreaterThan(0);
    expect(stats.internalErrors).toBe(0);
    for (const socket of [client, accepted, late, served, ...unlucky]) socket.close();
    await relay.stop({ graceMs: 0 });
  });

  it("holds little for a client that does not read, and serves others", async () => {
    const relay = await network.startRelay();
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [first])] });
    using server = new TestServer(network.server, first);
    const stalled: [TestSocket, TestSocket][] = [];
    for (let i = 0; i < 20; i++) stalled.push(await pair(server));
    const [client, accepted] = await pair(server);
    const before = residentBytes();
    const block = Buffer.alloc(1 << 20);
    let total = 0;
    for (let quiet = 0; quiet < 20; ) {
      let sent = 0;
      for (const [, endpoint] of stalled) {
        const count = endpoint.trySend(block);
        if (typeof count === "number") sent += count;
      }
      total += sent;
      quiet = sent === 0 ? quiet + 1 : 0;
      await sleep(10);
    }
    const kernelBytes = socketBytes(await network.node.exec(["cat", "/proc/net/sockstat"]));
    console.log(
      `20 stalled streams: ${total >> 10} KiB taken, resident +${(residentBytes() - before) >> 10} KiB, ` +
        `TCP memory of the machine ${kernelBytes >> 10} KiB`,
    );
    // Two receive buffers and two send buffers on the way, of the kernel's usual sizes, besides at most a pipe.
    expect(total).toBeLessThan(20 * (24 << 20));
    expect(residentBytes() - before).toBeLessThan(64 << 20);
    await client.send("and me?");
    expect((await accepted.readBytes(7)).toString()).toBe("and me?");
    // And all of it arrives once the client reads.
    const [slow, endpoint] = stalled[0] ?? [];
    endpoint?.finish();
    const { end } = (await slow?.readAll()) ?? {};
    expect(end).toBe("end");
    for (const sockets of [...stalled, [client, accepted]]) for (const socket of sockets) socket.close();
    await relay.stop({ graceMs: 0 });
  });

  it("keeps the connections of an endpoint that was taken away, until the deadline", async () => {
    const relay = await network.startRelay();
    const spec = virtualPort("IPv4", "TCP", PORT, [first]);
    await relay.update({ upsert: [spec] });
    using server = new TestServer(network.server, first);
    using other = new TestServer(network.server, second);
    const [client, accepted] = await pair(server);
    const changed = { ...spec, endpoints: virtualPort("IPv4", "TCP", PORT, [second]).endpoints };
    await relay.update({ upsert: [changed], drainMs: 1_500 });
    await client.send("draining");
    expect((await accepted.readBytes(8)).toString()).toBe("draining");
    const [next, served] = await pair(other);
    // The server may know of a connection before the relay does.
    await next.send("new");
    expect((await served.readBytes(3)).toString()).toBe("new");
    expect((await relay.stats()).ports[0]?.endpoints).toMatchObject([
      { endpoint: first, draining: true, active: 1 },
      { endpoint: second, draining: false, active: 1 },
    ]);
    expect(await client.read()).toBe("ECONNRESET");
    expect(await accepted.read()).toBe("ECONNRESET");
    await next.send("unharmed");
    expect((await served.readBytes(8)).toString()).toBe("unharmed");
    expect((await relay.stats()).ports[0]?.endpoints).toHaveLength(1);
    // A port that goes leaves its connections too, and its counters as long as there are any.
    await relay.update({ remove: [spec.id] });
    expect((await relay.stats()).ports).toMatchObject([{ id: spec.id, draining: true, active: 1 }]);
    await next.send("still unharmed");
    expect((await served.readBytes(14)).toString()).toBe("still unharmed");
    for (const socket of [client, accepted, next, served]) socket.close();
    await until("all over", async () => (await relay.stats()).ports.length === 0);
    await relay.stop({ graceMs: 0 });
  });

  it("spares an endpoint that came back before the deadline", async () => {
    const relay = await network.startRelay();
    const spec = virtualPort("IPv4", "TCP", PORT, [first]);
    await relay.update({ upsert: [spec] });
    using server = new TestServer(network.server, first);
    const [client, accepted] = await pair(server);
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [])], drainMs: 1_000 });
    await relay.update({ upsert: [spec] });
    await sleep(1_500);
    await client.send("alive");
    expect((await accepted.readBytes(5)).toString()).toBe("alive");
    client.close();
    accepted.close();
    await relay.stop({ graceMs: 0 });
  });

  it("stops: nobody new, those at work may finish, the rest is reset", async () => {
    const relay = await network.startRelay();
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [first])] });
    using server = new TestServer(network.server, first);
    const [client, accepted] = await pair(server);
    const [stubborn, held] = await pair(server);
    const stopped = relay.stop({ graceMs: 4_000 });
    await until("refused", async () => {
      using late = TestSocket.begin(network.client, destination);
      return (await late.read()) === "ECONNREFUSED";
    });
    await client.send("bye");
    client.finish();
    expect(await accepted.readAll()).toEqual({ text: "bye", end: "end" });
    accepted.finish();
    expect(await client.read()).toBe("end");
    await stopped;
    expect(await stubborn.read()).toBe("ECONNRESET");
    expect(await held.read()).toBe("ECONNRESET");
    await expect(relay.stats()).rejects.toThrow("it has stopped");
  });

  it("skips ports that are taken, and says where it listens", async () => {
    const listener = {
      source: "pod" as const,
      family: "IPv4" as const,
      host: "0.0.0.0",
      port: { from: 7100, to: 7103 },
    };
    using _taken = new TestServer(network.node, "0.0.0.0:7100");
    const relay = await network.startRelay({
      listeners: [
        { ...listener, protocol: "TCP" },
        { ...listener, protocol: "TCP" },
        { ...listener, protocol: "UDP" },
        { ...listener, protocol: "UDP", port: 0 },
      ],
    });
    expect(relay.ports.slice(0, 3)).toEqual([7101, 7102, 7100]);
    expect(relay.ports[3]).toBeGreaterThan(0);
    const full = { ...listener, protocol: "TCP" as const, port: { from: 7100, to: 7102 } };
    await expect(network.startRelay({ listeners: [full] })).rejects.toThrow(
      "listen on TCP 0.0.0.0:7100-7102: EADDRINUSE",
    );
    await relay.stop({ graceMs: 0 });
  });

  it("tells which virtual ports cannot be read, and takes the others", async () => {
    const relay = await network.startRelay();
    const good = virtualPort("IPv4", "TCP", PORT, [first]);
    const rejected = await relay.update({
      upsert: [{ ...good, id: "bad", destinations: ["nonsense"] }, good],
    });
    expect(rejected).toEqual([{ id: "bad", message: "not an address and port: nonsense" }]);
    using server = new TestServer(network.server, first);
    using _client = await TestSocket.connect(network.client, at(virtual, PORT));
    using _accepted = await server.accept();
    const { ports } = await until("carried", async () => {
      const stats = await relay.stats();
      return stats.ports.length > 0 && stats;
    });
    expect(ports.map(({ id }) => id)).toEqual([good.id]);
    await relay.stop({ graceMs: 0 });
  });
});

/** Memory that this process, relay and test, has in use. */
function residentBytes(): number {
  return Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
}

/** Memory of TCP sockets, of the whole machine. */
function socketBytes(sockstat: string): number {
  return Number(/TCP:.* mem (\d+)/.exec(sockstat)?.[1]) * 4096;
}
