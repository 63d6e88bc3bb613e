/** Many connections of all kinds at once: what arrives is what was sent, and nothing is left behind. */
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomFrom } from "../support/random.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket, until } from "../support/relay/sockets.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

const PORT = 8600;
const CONNECTIONS = 400;
const AT_ONCE = 40;
const MOST_BYTES = 3_000_000;
/** Its period fits no buffer's size. */
const PATTERN = Buffer.from(
  Uint8Array.from({ length: MOST_BYTES + 251 }, (_, i) => (i % 251) ^ ((i >> 16) & 255)),
);

describe.skipIf(missing)(`relay, soak${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());

  it("carries hundreds of connections that end in every way, and closes every descriptor", async () => {
    const { virtual, servers, silent } = ADDRESSES.IPv4;
    const before = openDescriptors();
    const relay = await network.startRelay({
      raceAfterMs: [50, 100],
      connectTimeoutMs: 5000,
      penaltyMs: 200,
    });
    const good = servers.slice(0, 2).map((address) => at(address, PORT));
    // One endpoint refuses, one says nothing.
    const endpoints = [...good, at(servers[2], PORT), at(silent, PORT)];
    const port = virtualPort("IPv4", "TCP", PORT, endpoints);
    await relay.update({ upsert: [port] });
    const listening = good.map((endpoint) => new TestServer(network.server, endpoint));
    const { below } = randomFrom(20_261_126);
    const random = (): number => below(1 << 24) / (1 << 24);
    const accepting = { on: true };
    const served: Promise<void>[] = [];
    const acceptor = (async () => {
      while (accepting.on) {
        for (const server of listening) {
          for (let socket = server.tryAccept(); socket; socket = server.tryAccept())
            served.push(serve(socket));
        }
        await sleep(1);
      }
    })();
    let started = 0;
    const outcomes = new Map<string, number>();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (started++ < CONNECTIONS) {
          const outcome = await visit(network, at(virtual, PORT), random);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          // Endpoints come and go meanwhile.
          if (random() < 0.1) {
            const rest = endpoints.filter(() => random() < 0.8);
            const lists = { pod: [...good.slice(0, 1), ...rest], outside: [], node: [] };
            await relay.update({ upsert: [{ ...port, endpoints: lists }] });
          }
        }
      }),
    );
    await until("all over", async () => (await relay.stats()).connections === 0);
    accepting.on = false;
    await acceptor;
    await Promise.all(served);
    const { internalErrors } = await relay.stats();
    expect(internalErrors).toBe(0);
    expect([...outcomes.keys()].sort()).toEqual(["half-closed", "reset"]);
    for (const server of listening) server[Symbol.dispose]();
    await relay.stop({ graceMs: 0 });
    await until("descriptors are closed", () => openDescriptors() <= before);
  });
});

/** Sends a number of bytes with their count before, and expects them back. */
async function visit(network: RelayNetwork, to: string, random: () => number): Promise<string> {
  using socket = await TestSocket.connect(network.client, to);
  const length = Math.floor(random() ** 4 * MOST_BYTES);
  const salt = Math.floor(random() * 251);
  const data = PATTERN.subarray(salt, salt + length);
  if (random() < 0.2) {
    socket.trySend(data);
    socket.reset();
    return "reset";
  }
  const sending = (async () => {
    for (let done = 0; done < length; ) {
      const part = Math.ceil(random() * 300_000);
      await socket.send(data.subarray(done, done + part));
      done += part;
    }
    socket.finish();
  })();
  let count = 0;
  for (;;) {
    const part = await socket.read();
    if (!Buffer.isBuffer(part)) {
      await sending;
      if (part !== "end" || count !== length) throw new Error(`${part} after ${count} of ${length}`);
      return "half-closed";
    }
    if (part.compare(data, count, count + part.length) !== 0) throw new Error(`wrong data at ${count}`);
    count += part.length;
  }
}

/** Echoes to the end. */
async function serve(socket: TestSocket): Promise<void> {
  try {
    for (;;) {
      const part = await socket.read();
      if (!Buffer.isBuffer(part)) break;
      await socket.send(part);
    }
    socket.finish();
  } catch {
    // The client has gone.
  } finally {
    socket.close();
  }
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
