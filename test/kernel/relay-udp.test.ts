/** The relay's UDP in real networks: where datagrams and replies go, and what floods and dead endpoints do. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Relay } from "../../src/relay/relay.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestSocket, until } from "../support/relay/sockets.ts";
import { EchoServer } from "../support/relay/udp.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

describe.skipIf(missing)(`relay, UDP${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;
  let relay: Relay;

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());
  afterEach(async () => {
    const { internalErrors } = await relay.stats();
    await relay.stop({ graceMs: 0 });
    expect(internalErrors).toBe(0);
  });

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const port = family === "IPv4" ? 8400 : 8401;
    const { virtual, servers } = ADDRESSES[family];
    const [first = "", second = ""] = servers.map((address) => at(address, port));
    const destination = at(virtual, port);

    it("brings datagrams to the endpoint of their destination, and replies back", async () => {
      relay = await network.startRelay();
      await relay.update({
        upsert: [virtualPort(family, "UDP", port, [first]), virtualPort(family, "UDP", port + 10, [second])],
      });
      using _one = new EchoServer(network.server, first, "one ");
      using _two = new EchoServer(network.server, second, "two ");
      using client = TestSocket.udp(network.client, destination);
      using other = TestSocket.udp(network.client, at(virtual, port + 10));
      await client.send("hello");
      await other.send("hello");
      expect(String(await client.read())).toBe("one hello");
      expect(String(await other.read())).toBe("two hello");
      await until("both are forgotten", async () => (await relay.stats()).associations === 0);
      await client.send("again");
      expect(String(await client.read())).toBe("one again");
    });

    it("carries the largest datagrams, and empty ones", async () => {
      relay = await network.startRelay();
      await relay.update({ upsert: [virtualPort(family, "UDP", port, [first])] });
      using _server = new EchoServer(network.server, first);
      using client = TestSocket.udp(network.client, destination);
      client.setOption(1, 7, 1 << 20);
      client.setOption(1, 8, 1 << 20);
      const largest = Buffer.alloc(65_507, "x");
      largest.write("begin");
      largest.write("end", largest.length - 3);
      await client.send(largest);
      const echo = await client.read();
      expect(Buffer.isBuffer(echo) && echo.equals(largest)).toBe(true);
      client.trySend("");
      // An empty datagram reads like an end.
      expect(await client.read()).toBe("end");
    });

    it("goes to another endpoint when one refuses", async () => {
      relay = await network.startRelay({ udpIdleMs: 30_000 });
      await relay.update({ upsert: [virtualPort(family, "UDP", port, [first, second])] });
      using _server = new EchoServer(network.server, second);
      for (let i = 0; i < 4; i++) {
        using client = TestSocket.udp(network.client, destination);
        await until("an answer", async () => {
          client.trySend("?");
          await sleep(20);
          return client.tryRead() !== undefined;
        });
      }
      const [stats] = (await relay.stats()).ports;
      expect(stats?.endpoints[0]?.failures.refused).toBeGreaterThan(0);
    });

    it("leaves an endpoint that is taken away at once", async () => {
      relay = await network.startRelay({ udpIdleMs: 30_000 });
      await relay.update({ upsert: [virtualPort(family, "UDP", port, [first])] });
      using _one = new EchoServer(network.server, first, "one ");
      using _two = new EchoServer(network.server, second, "two ");
      using client = TestSocket.udp(network.client, destination);
      await client.send("a");
      expect(String(await client.read())).toBe("one a");
      await relay.update({ upsert: [virtualPort(family, "UDP", port, [second])] });
      await client.send("b");
      expect(String(await client.read())).toBe("two b");
      await relay.update({ remove: [`test/UDP:${port}`] });
      client.trySend("c");
      await until("noticed", async () => (await relay.stats()).unknownDestination === 1);
    });
  });

  it("remembers a client for longer once it had several replies", async () => {
    relay = await network.startRelay({ udpIdleMs: 1_000, udpStreamIdleMs: 60_000 });
    const endpoint = at(ADDRESSES.IPv4.servers[0], 8420);
    await relay.update({ upsert: [virtualPort("IPv4", "UDP", 8420, [endpoint])] });
    using _server = new EchoServer(network.server, endpoint);
    using brief = TestSocket.udp(network.client, at(ADDRESSES.IPv4.virtual, 8420));
    using lasting = TestSocket.udp(network.client, at(ADDRESSES.IPv4.virtual, 8420));
    for (const client of [brief, lasting, lasting]) {
      await client.send("x");
      await client.read();
    }
    await until("the brief one is forgotten", async () => (await relay.stats()).associations === 1);
    await sleep(1_500);
    expect((await relay.stats()).associations).toBe(1);
  });

  it("stays within its limits in a flood from many ports, and serves others", async () => {
    relay = await network.startRelay({
      udpIdleMs: 60_000,
      limits: { associations: 300, associationsPerClient: 100 },
    });
    const { virtual, servers } = ADDRESSES.IPv4;
    const endpoint = at(servers[0], 8430);
    await relay.update({ upsert: [virtualPort("IPv4", "UDP", 8430, [endpoint])] });
    using _server = new EchoServer(network.server, endpoint);
    await network.client.exec(["ip", "addr", "add", "10.91.1.77/24", "dev", "eth0"]);
    using quiet = TestSocket.udp(network.client, at(virtual, 8430));
    await quiet.send("before");
    expect(String(await quiet.read())).toBe("before");
    for (let round = 0; round < 20; round++) {
      const flood = Array.from({ length: 200 }, () =>
        TestSocket.udp(network.client, at(virtual, 8430), "10.91.1.77:0"),
      );
      for (const socket of flood) socket.trySend("flood");
      await sleep(5);
      for (const socket of flood) socket.close();
    }
    await quiet.send("after");
    expect(String(await quiet.read())).toBe("after");
    const stats = await relay.stats();
    expect(stats.associations).toBeLessThanOrEqual(101);
    expect(stats.evicted).toBeGreaterThan(1000);
    // The quiet client's association is the one from before.
    expect(stats.ports[0]?.total).toBe(stats.evicted + stats.associations);
  });
});
