/** The relay's listeners, classes of clients, source ports, TPROXY, and many virtual ports. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ADDRESSES, at, RelayNetwork, virtualPort } from "../support/relay/network.ts";
import { TestServer, TestSocket, until } from "../support/relay/sockets.ts";
import { EchoServer } from "../support/relay/udp.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

const { virtual, servers } = ADDRESSES.IPv4;
const PORT = 8500;
const first = at(servers[0], PORT);
const second = at(servers[1], PORT);

describe.skipIf(missing)(`relay, listeners${missing ? `: skipped, ${missing}` : ""}`, () => {
  let network: RelayNetwork;

  beforeAll(async () => {
    network = await RelayNetwork.create();
  });
  afterAll(() => network?.dispose());

  it("serves each class of clients from endpoints of its own", async () => {
    const listener = { family: "IPv4" as const, host: "0.0.0.0" };
    const relay = await network.startRelay({
      listeners: (["TCP", "UDP"] as const).flatMap((protocol) => [
        { ...listener, protocol, source: "pod" as const, port: 7000 },
        { ...listener, protocol, source: "outside" as const, port: 7001 },
      ]),
    });
    for (const protocol of ["tcp", "udp"]) {
      const match = ["-d", "10.96.0.2", "-p", protocol];
      const target = ["-j", "REDIRECT", "--to-ports", "7001"];
      await network.node.exec(["iptables", "-w", "-t", "nat", "-A", "PREROUTING", ...match, ...target]);
    }
    const lists = { pod: [first], outside: [second], node: [] };
    const destinations = [at(virtual, PORT), at("10.96.0.2", PORT)];
    await relay.update({
      upsert: (["TCP", "UDP"] as const).map((protocol) =>
        virtualPort("IPv4", protocol, PORT, [], { endpoints: lists, destinations }),
      ),
    });
    using one = new TestServer(network.server, first);
    using two = new TestServer(network.server, second);
    using _fromPod = await TestSocket.connect(network.client, at(virtual, PORT));
    using _acceptedOne = await one.accept();
    using _fromOutside = await TestSocket.connect(network.client, at("10.96.0.2", PORT));
    using _acceptedTwo = await two.accept();
    using _echoOne = new EchoServer(network.server, first, "one ");
    using _echoTwo = new EchoServer(network.server, second, "two ");
    for (const [to, answer] of [
      [at(virtual, PORT), "one ?"],
      [at("10.96.0.2", PORT), "two ?"],
    ] as const) {
      using client = TestSocket.udp(network.client, to);
      await client.send("?");
      expect(String(await client.read())).toBe(answer);
    }
    await relay.stop({ graceMs: 0 });
  });

  it("lets clients wait until it has been told what there is", async () => {
    const relay = await network.startRelay({}, false);
    using client = await TestSocket.connect(network.client, at(virtual, PORT));
    using datagrams = TestSocket.udp(network.client, at(virtual, PORT));
    await client.send("tcp");
    await datagrams.send("udp");
    using server = new TestServer(network.server, first);
    using _echo = new EchoServer(network.server, first);
    await relay.update({
      upsert: (["TCP", "UDP"] as const).map((protocol) => virtualPort("IPv4", protocol, PORT, [first])),
    });
    expect(await relay.stats()).toMatchObject({ connections: 0, associations: 0 });
    relay.accept();
    relay.accept();
    using accepted = await server.accept();
    expect((await accepted.readBytes(3)).toString()).toBe("tcp");
    expect(String(await datagrams.read())).toBe("udp");
    await relay.stop({ graceMs: 0 });
  });

  it("serves clients on its own node, whose packets are redirected to the loopback", async () => {
    const { node } = network;
    await node.exec(["ip", "route", "add", "10.96.0.4", "dev", "client"]);
    for (const protocol of ["tcp", "udp"]) {
      const match = ["-d", "10.96.0.4", "-p", protocol];
      const target = ["-j", "REDIRECT", "--to-ports", "7000"];
      await node.exec(["iptables", "-w", "-t", "nat", "-A", "OUTPUT", ...match, ...target]);
    }
    const relay = await network.startRelay();
    const own = { destinations: [at("10.96.0.4", PORT)] };
    await relay.update({
      upsert: (["TCP", "UDP"] as const).map((protocol) => virtualPort("IPv4", protocol, PORT, [first], own)),
    });
    using server = new TestServer(network.server, first);
    using client = await TestSocket.connect(node, at("10.96.0.4", PORT));
    using accepted = await server.accept();
    await client.send("tcp");
    expect((await accepted.readBytes(3)).toString()).toBe("tcp");
    using _echo = new EchoServer(network.server, first);
    using datagrams = TestSocket.udp(node, at("10.96.0.4", PORT));
    await datagrams.send("udp");
    expect(String(await datagrams.read())).toBe("udp");
    await relay.stop({ graceMs: 0 });
  });

  it("connects on when all source ports towards an endpoint are in TIME_WAIT", async () => {
    await network.node.exec(["sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40199"]);
    const relay = await network.startRelay();
    await relay.update({ upsert: [virtualPort("IPv4", "TCP", PORT, [first])] });
    using server = new TestServer(network.server, first);
    const visits = 700;
    for (let i = 0; i < visits; i++) {
      const client = await TestSocket.connect(network.client, at(virtual, PORT));
      const accepted = await server.accept();
      // The client ends first, so the node's end to the endpoint is the one that waits.
      client.close();
      expect(await accepted.read()).toBe("end");
      accepted.close();
    }
    await until("all over", async () => (await relay.stats()).connections === 0);
    const waiting = await network.node.exec(["ss", "-Htan", "state", "time-wait", "dport", "=", `${PORT}`]);
    expect(waiting.trim().split("\n").length).toBeLessThanOrEqual(200);
    expect((await relay.stats()).ports[0]).toMatchObject({ total: visits, failures: { resources: 0 } });
    await relay.stop({ graceMs: 0 });
    await network.node.exec(["sysctl", "-qw", "net.ipv4.ip_local_port_range=32768 60999"]);
  });

  it("takes the destination from the socket where rules with TPROXY bring clients", async () => {
    const { node } = network;
    await node.exec(["ip", "rule", "add", "fwmark", "1", "lookup", "100"]);
    await node.exec(["ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100"]);
    const match = ["-d", "10.96.0.3", "-p", "tcp"];
    const target = ["-j", "TPROXY", "--on-port", "7002", "--tproxy-mark", "1/1"];
    await node.exec(["iptables", "-w", "-t", "mangle", "-A", "PREROUTING", ...match, ...target]);
    const relay = await network.startRelay({
      listeners: [
        { source: "pod", family: "IPv4", protocol: "TCP", host: "0.0.0.0", port: 7002, transparent: true },
      ],
    });
    await relay.update({
      upsert: [virtualPort("IPv4", "TCP", PORT, [first], { destinations: [at("10.96.0.3", PORT)] })],
    });
    using server = new TestServer(network.server, first);
    using client = await TestSocket.connect(network.client, at("10.96.0.3", PORT));
    using accepted = await server.accept();
    await client.send("hello");
    expect((await accepted.readBytes(5)).toString()).toBe("hello");
    await relay.stop({ graceMs: 0 });
  });

  it("knows thousands of virtual ports", async () => {
    const relay = await network.startRelay();
    const count = 5000;
    const specs = Array.from({ length: count }, (_, i) => ({
      ...virtualPort("IPv4", "TCP", PORT, [first, second]),
      id: `ns/service-${i}:http`,
      destinations: [`10.97.${i >> 8}.${i & 255}:80`, `10.91.1.1:${10_000 + i}`],
    }));
    const mine = virtualPort("IPv4", "TCP", PORT, [first]);
    const times: number[] = [];
    const timed = async <T>(work: () => Promise<T>): Promise<T> => {
      const begin = performance.now();
      const result = await work();
      times.push(Math.round(performance.now() - begin));
      return result;
    };
    await timed(() => relay.update({ upsert: [...specs, mine] }));
    await timed(() => relay.update({ upsert: specs.slice(0, 1) }));
    using server = new TestServer(network.server, first);
    using _client = await TestSocket.connect(network.client, at(virtual, PORT));
    using _accepted = await server.accept();
    await until("carried", async () => (await relay.stats()).ports[0]?.total === 1);
    const stats = await timed(() => relay.stats());
    expect(stats.ports.map(({ id }) => id)).toEqual([mine.id]);
    await timed(() => relay.update({ remove: specs.map(({ id }) => id) }));
    using _another = await TestSocket.connect(network.client, at(virtual, PORT));
    using _alsoAccepted = await server.accept();
    await until("both carried", async () => (await relay.stats()).ports[0]?.total === 2);
    console.log(
      `${count} virtual ports: update, update of one, statistics, removal took ${times.join(", ")} ms`,
    );
    await relay.stop({ graceMs: 0 });
  });
});
