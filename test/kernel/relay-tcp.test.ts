/** The relay's TCP in real networks: what passes through, how connections end, and what happens when endpoints fail. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Relay } from "../../src/relay/relay.ts";
import type { FailureBatch } from "../../src/relay/types.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket, until } from "../support/relay/sockets.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

describe.skipIf(missing)(`relay, TCP${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;
  let relay: Relay;
  let failures: FailureBatch[] = [];

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());

  beforeEach(async () => {
    failures = [];
    relay = await network.startRelay({
      connectTimeoutMs: 1500,
      raceAfterMs: [100, 200],
      onFailures: (batch) => failures.push(batch),
    });
  });
  afterEach(async () => {
    const { internalErrors } = await relay.stats();
    await relay.stop({ graceMs: 0 });
    expect(internalErrors).toBe(0);
  });

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const { virtual, servers, silent } = ADDRESSES[family];
    const port = family === "IPv4" ? 8000 : 8001;
    const [first = "", second = "", third = ""] = servers.map((address) => at(address, port));
    const destination = at(virtual, port);

    async function pair(server: TestServer): Promise<[TestSocket, TestSocket]> {
      const client = await TestSocket.connect(network.client, destination);
      return [client, await server.accept()];
    }

    it("carries data both ways, and the end of each way by itself", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first])] });
      using server = new TestServer(network.server, first);
      const [client, accepted] = await pair(server);
      await client.send("question");
      client.finish();
      expect(await accepted.readAll()).toEqual({ text: "question", end: "end" });
      await accepted.send("answer");
      await sleep(20);
      await accepted.send(", more");
      accepted.finish();
      expect(await client.readAll()).toEqual({ text: "answer, more", end: "end" });
      client.close();
      accepted.close();
      await until("connection is over", async () => (await relay.stats()).connections === 0);
    });

    it("lets the endpoint end first", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first])] });
      using server = new TestServer(network.server, first);
      const [client, accepted] = await pair(server);
      await accepted.send("greeting");
      accepted.finish();
      expect(await client.readAll()).toEqual({ text: "greeting", end: "end" });
      await client.send("still there");
      client.finish();
      expect(await accepted.readAll()).toEqual({ text: "still there", end: "end" });
    });

    it("passes a reset of the client on", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first])] });
      using server = new TestServer(network.server, first);
      const [client, accepted] = await pair(server);
      await client.send("x");
      expect(await accepted.readBytes(1)).toEqual(Buffer.from("x"));
      client.reset();
      expect(await accepted.read()).toBe("ECONNRESET");
      accepted.close();
      const [stats] = (await relay.stats()).ports;
      expect(stats).toMatchObject({ active: 0, total: 1, resetByClient: 1, resetByEndpoint: 0 });
    });

    it("passes a reset of the endpoint on, after the data before it", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first])] });
      using server = new TestServer(network.server, first);
      const [client, accepted] = await pair(server);
      await accepted.send("last words");
      expect((await client.readBytes(10)).toString()).toBe("last words");
      accepted.reset();
      expect(await client.read()).toBe("ECONNRESET");
      client.close();
      expect((await relay.stats()).ports[0]).toMatchObject({ resetByClient: 0, resetByEndpoint: 1 });
    });

    it("resets the client when all endpoints refuse, and tells which", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first, second])] });
      using client = TestSocket.begin(network.client, destination);
      const own = client.address;
      expect(await client.read()).toBe("ECONNRESET");
      await until("failure is told", () => failures.length > 0);
      const [failure] = failures[0]?.failures ?? [];
      expect(failure).toMatchObject({ id: `test/TCP:${port}`, destination, reason: "refused" });
      expect(failure?.client).toBe(own);
      expect(failure?.tried.map(({ endpoint }) => endpoint).sort()).toEqual([first, second]);
      const [stats] = (await relay.stats()).ports;
      expect(stats?.failures).toMatchObject({ refused: 1 });
      expect(stats?.endpoints.map((endpoint) => endpoint.failures.refused)).toEqual([1, 1]);
    });

    it("goes on to the next endpoint when one refuses, and puts that one aside", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first, second, third])] });
      using server = new TestServer(network.server, third);
      for (let i = 0; i < 6; i++) {
        const [client, accepted] = await pair(server);
        client.reset();
        accepted.close();
      }
      // The server may know of a connection before the relay does.
      const stats = await until("all counted", async () => {
        const [stats] = (await relay.stats()).ports;
        return stats?.total === 6 && stats;
      });
      expect(stats.failures.refused).toBe(0);
      const refusals = stats.endpoints.reduce((sum, endpoint) => sum + endpoint.failures.refused, 0);
      expect(refusals).toBeLessThanOrEqual(2);
    });

    it("races the next endpoint when one is silent", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [at(silent, port), first])] });
      using server = new TestServer(network.server, first);
      const clients = await Promise.all(
        Array.from({ length: 4 }, () => TestSocket.connect(network.client, destination)),
      );
      for (const client of clients) {
        const accepted = await server.accept();
        await accepted.send("hello");
        accepted.close();
        client.setOption(6, 1, 1);
      }
      for (const client of clients) expect((await client.readAll()).text).toBe("hello");
      const timeouts = async (): Promise<number | undefined> => {
        const [stats] = (await relay.stats()).ports;
        return stats?.endpoints.find(({ endpoint }) => endpoint === at(silent, port))?.failures.timeout;
      };
      const before = await timeouts();
      expect(before).toBeGreaterThan(0);
      // From now on the silent one is only the last resort.
      const [client, accepted] = await pair(server);
      await accepted.send("hello");
      expect((await client.readBytes(5)).toString()).toBe("hello");
      expect(await timeouts()).toBe(before);
    });

    it("resets the client when nobody answers in time, and serves others meanwhile", async () => {
      const other = at(servers[0], port + 10);
      await relay.update({
        upsert: [
          virtualPort(family, "TCP", port, [at(silent, port)]),
          virtualPort(family, "TCP", port + 10, [other]),
        ],
      });
      using server = new TestServer(network.server, other);
      using waiting = await TestSocket.connect(network.client, destination);
      using client = await TestSocket.connect(network.client, at(virtual, port + 10));
      using accepted = await server.accept();
      await accepted.send("quick");
      expect((await client.readBytes(5)).toString()).toBe("quick");
      expect(waiting.hasNews).toBe(false);
      expect(await waiting.read()).toBe("ECONNRESET");
      await until("failure is told", () => failures.length > 0);
      expect(failures[0]?.failures[0]).toMatchObject({
        reason: "timeout",
        tried: [{ endpoint: at(silent, port), reason: "timeout" }],
      });
    });

    it("resets clients of a port without endpoints, and of no port", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [])] });
      using client = TestSocket.begin(network.client, destination);
      expect(await client.read()).toBe("ECONNRESET");
      using stranger = TestSocket.begin(network.client, at(virtual, port + 20));
      expect(await stranger.read()).toBe("ECONNRESET");
      const stats = await relay.stats();
      expect(stats.unknownDestination).toBe(1);
      expect(stats.ports[0]?.failures.noEndpoint).toBe(1);
    });

    it("takes turns, and with affinity keeps a client at one endpoint until that fails", async () => {
      const spec = virtualPort(family, "TCP", port, [first, second]);
      await relay.update({ upsert: [spec] });
      const one = new TestServer(network.server, first);
      using two = new TestServer(network.server, second);
      const visit = async (): Promise<string> => {
        using client = await TestSocket.connect(network.client, destination);
        return until("accepted", () => {
          for (const [name, server] of [
            ["one", one],
            ["two", two],
          ] as const) {
            const accepted = server.tryAccept();
            accepted?.close();
            if (accepted !== undefined) return name;
          }
          client.tryRead();
          return undefined;
        });
      };
      const turns = [await visit(), await visit(), await visit(), await visit()];
      expect(turns[0]).toBe(turns[2]);
      expect(turns[1]).toBe(turns[3]);
      expect(turns[0]).not.toBe(turns[1]);
      await relay.update({ upsert: [{ ...spec, affinitySeconds: 60 }] });
      const kept = await visit();
      expect([await visit(), await visit(), await visit()]).toEqual([kept, kept, kept]);
      const failing = kept === "one" ? one : two;
      failing[Symbol.dispose]();
      const after = await visit().catch((error: unknown) => String(error));
      expect(after).toBe(kept === "one" ? "two" : "one");
      expect(await visit()).toBe(after);
      if (kept !== "one") one[Symbol.dispose]();
    });

    it("carries 48 MiB each way unharmed, at the same time", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [first])] });
      using server = new TestServer(network.server, first);
      const [client, accepted] = await pair(server);
      const length = 48 << 20;
      const block = Buffer.alloc(1 << 20, 0);
      for (let i = 0; i < block.length; i += 4) block.writeUInt32LE((i * 2654435761) >>> 0, i);
      const send = async (socket: TestSocket): Promise<void> => {
        for (let sent = 0; sent < length; sent += block.length) await socket.send(block);
        socket.finish();
      };
      const check = async (socket: TestSocket): Promise<number> => {
        let count = 0;
        for (;;) {
          const part = await socket.read();
          if (!Buffer.isBuffer(part)) return part === "end" ? count : -1;
          const offset = count % block.length;
          const head = Math.min(part.length, block.length - offset);
          if (part.compare(block, offset, offset + head, 0, head) !== 0) return -2;
          if (part.compare(block, 0, part.length - head, head) !== 0) return -3;
          count += part.length;
        }
      };
      const [, , there, back] = await Promise.all([
        send(client),
        send(accepted),
        check(accepted),
        check(client),
      ]);
      expect([there, back]).toEqual([length, length]);
      const [stats] = (await relay.stats()).ports;
      expect(stats).toMatchObject({ bytesToEndpoint: length, bytesToClient: length });
    });
  });
});
