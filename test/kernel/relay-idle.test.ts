/** Ten thousand connections that do nothing, or as many as the descriptors of one process are enough for. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ends } from "../support/relay/ends.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { until } from "../support/relay/sockets.ts";
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
    const { virtual, servers: addresses } = ADDRESSES.IPv4;
    const endpoints = addresses.map((address) => at(address, PORT));
    const relay = await network.startRelay({ limits: { connectionsPerClient: MOST } });
    const count = Math.min(MOST, Math.floor((relay.descriptors - 500) / 2));
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, endpoints)] });
    using servers = await Ends.start("servers", network.server, endpoints);
    using clients = await Ends.start("clients", network.client, [at(virtual, PORT)]);
    const have = async (number: number): Promise<void> => {
      await clients.order({ what: "have", count: number });
      await servers.order({ what: "have", count: number });
    };
    await have(200);
    const before = residentBytes();
    for (let number = 200; number < count; ) {
      number = Math.min(number + 200, count);
      await have(number);
    }
    const each = Math.round((residentBytes() - before) / (count - 200));
    console.log(`${count} connections: ${each} bytes of resident memory for each idle connection`);
    // The garbage of two threads is in it; the relay's part is about 1 KiB.
    expect(each).toBeLessThan(10_000);
    const stats = await relay.stats();
    expect(stats).toMatchObject({ connections: count, internalErrors: 0 });
    for (const { active } of stats.ports[0]?.endpoints ?? [])
      expect(Math.abs(active - count / 3)).toBeLessThan(2);
    await servers.order({ what: "send", count: 100, text: "wake up" });
    await until("all woken", async () => (await relay.stats()).ports[0]?.bytesToClient === 700);
    await clients.order({ what: "close" });
    await servers.order({ what: "close" });
    await until("all over", async () => (await relay.stats()).connections === 0);
    await relay.stop({ graceMs: 0 });
  });
});

function residentBytes(): number {
  return Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
}
