/** What endpoints learn of clients: the PROXY protocol, and connections from the client's own address. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Relay } from "../../src/relay/relay.ts";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket } from "../support/relay/sockets.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

describe.skipIf(missing)(`relay, source addresses${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;
  let relay: Relay;

  beforeAll(async () => {
    network = await RelayNetwork.create();
    const { node } = network;
    // Packets back to a client, from an endpoint, are for this node's sockets: those on which somebody waits for them.
    for (const [program, family, any] of [
      ["iptables", "-4", "0.0.0.0/0"],
      ["ip6tables", "-6", "::/0"],
    ] as const) {
      await node.exec(["ip", family, "rule", "add", "fwmark", "1", "lookup", "100"]);
      await node.exec(["ip", family, "route", "add", "local", any, "dev", "lo", "table", "100"]);
      const match = ["-i", "server", "-p", "tcp", "-m", "socket", "--transparent"];
      const target = ["-j", "MARK", "--set-mark", "1"];
      await node.exec([program, "-w", "-t", "mangle", "-A", "PREROUTING", ...match, ...target]);
    }
  });
  afterAll(() => network?.dispose());

  beforeEach(async () => {
    relay = await network.startRelay({ connectTimeoutMs: 2000 });
  });
  afterEach(() => relay.stop({ graceMs: 0 }));

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const port = family === "IPv4" ? 8300 : 8301;
    const { virtual, servers } = ADDRESSES[family];
    const endpoint = at(servers[0], port);
    const destination = at(virtual, port);

    it("come first in a line of text", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [endpoint], { proxyProtocol: 1 })] });
      using server = new TestServer(network.server, endpoint);
      using client = await TestSocket.connect(network.client, destination);
      using accepted = await server.accept();
      const own = client.address.split(":").at(-1);
      const word = family === "IPv4" ? "TCP4" : "TCP6";
      const line = `PROXY ${word} ${ADDRESSES[family].client} ${virtual} ${own} ${port}\r\n`;
      expect((await accepted.readBytes(line.length)).toString()).toBe(line);
      await client.send("request");
      expect((await accepted.readBytes(7)).toString()).toBe("request");
    });

    it("come first in binary form, also where the client has already sent something", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [endpoint], { proxyProtocol: 2 })] });
      using server = new TestServer(network.server, endpoint);
      using client = await TestSocket.connect(network.client, destination);
      await client.send("request");
      using accepted = await server.accept();
      const length = family === "IPv4" ? 12 : 36;
      const header = await accepted.readBytes(16 + length);
      expect(header.subarray(0, 12).toString("hex")).toBe("0d0a0d0a000d0a515549540a");
      expect([header[12], header[13], header.readUInt16BE(14)]).toEqual([
        0x21,
        family === "IPv4" ? 0x11 : 0x21,
        length,
      ]);
      expect(header.readUInt16BE(14 + length)).toBe(port);
      expect((await accepted.readBytes(7)).toString()).toBe("request");
    });

    it("are kept where that is asked for", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [endpoint], { keepSource: true })] });
      using server = new TestServer(network.server, endpoint);
      using client = await TestSocket.connect(network.client, destination);
      using accepted = await server.accept();
      expect(accepted.peer.replace(/:\d+$/, "")).toBe(at(ADDRESSES[family].client, 0).replace(/:0$/, ""));
      await client.send("request");
      expect((await accepted.readBytes(7)).toString()).toBe("request");
      await accepted.send("answer");
      expect((await client.readBytes(6)).toString()).toBe("answer");
    });

    it("are the node's otherwise", async () => {
      await relay.update({ upsert: [virtualPort(family, "TCP", port, [endpoint])] });
      using server = new TestServer(network.server, endpoint);
      using _client = await TestSocket.connect(network.client, destination);
      using accepted = await server.accept();
      expect(accepted.peer).toMatch(family === "IPv4" ? /^10\.91\.2\.1:/ : /^\[fd91:2::1\]:/);
    });
  });

  it("are the node's where the endpoint is of the other family", async () => {
    const endpoint = at(ADDRESSES.IPv6.servers[0], 8310);
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", 8310, [endpoint], { keepSource: true })] });
    using server = new TestServer(network.server, endpoint);
    using client = await TestSocket.connect(network.client, at(ADDRESSES.IPv4.virtual, 8310));
    using accepted = await server.accept();
    expect(accepted.peer).toMatch(/^\[fd91:2::1\]:/);
    await client.send("request");
    expect((await accepted.readBytes(7)).toString()).toBe("request");
  });
});
