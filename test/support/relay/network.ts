/**
 * A client, a node that redirects, and a server with several addresses, each in a network namespace of its own. This
 * thread goes into a namespace to make a socket there, and the relay's worker stays in the one it was started in.
 */
import { Relay, type RelayOptions } from "../../../src/relay/relay.ts";
import type { Family, VirtualPortSpec } from "../../../src/relay/types.ts";
import { inNetworkOf } from "../daemon-api/in-network.ts";
import { Namespace } from "../testbed/namespace.ts";

/** Where everything is, for each family. Packets to `silent` are dropped by the server. */
export const ADDRESSES = {
  IPv4: {
    virtual: "10.96.0.1",
    client: "10.91.1.2",
    servers: ["10.91.2.2", "10.91.2.3", "10.91.2.4"],
    silent: "10.91.2.9",
    any: "0.0.0.0",
  },
  IPv6: {
    virtual: "fd96::1",
    client: "fd91:1::2",
    servers: ["fd91:2::2", "fd91:2::3", "fd91:2::4"],
    silent: "fd91:2::9",
    any: "::",
  },
} as const;

const REDIRECTED = { TCP: 7000, UDP: 7000 };

const CLIENT_LINES = [
  "link set lo up",
  "link set eth0 up",
  "addr add 10.91.1.2/24 dev eth0",
  "addr add fd91:1::2/64 dev eth0 nodad",
  "route add default via 10.91.1.1",
  "route add default via fd91:1::1",
];

const NODE_LINES = [
  "link set lo up",
  "link set client up",
  "link set server up",
  "addr add 10.91.1.1/24 dev client",
  "addr add fd91:1::1/64 dev client nodad",
  "addr add 10.91.2.1/24 dev server",
  "addr add fd91:2::1/64 dev server nodad",
];

const SERVER_LINES = [
  "link set lo up",
  "link set eth0 up",
  ...["2", "3", "4", "9"].flatMap((host) => [
    `addr add 10.91.2.${host}/24 dev eth0`,
    `addr add fd91:2::${host}/64 dev eth0 nodad`,
  ]),
  "route add default via 10.91.2.1",
  "route add default via fd91:2::1",
];

export class RelayNetwork {
  readonly client: Namespace;
  readonly node: Namespace;
  readonly server: Namespace;

  static async create(): Promise<RelayNetwork> {
    const [client, node, server] = await Promise.all(
      ["relay-client", "relay-node", "relay-server"].map((name) => Namespace.create(name)),
    );
    if (!client || !node || !server) throw new Error("no namespaces");
    const network = new RelayNetwork(client, node, server);
    await network.#wire();
    return network;
  }

  private constructor(client: Namespace, node: Namespace, server: Namespace) {
    this.client = client;
    this.node = node;
    this.server = server;
  }

  async dispose(): Promise<void> {
    await Promise.all([this.client, this.node, this.server].map((namespace) => namespace.dispose()));
  }

  /** Starts a relay in the node with a listener for each family and protocol, to which the rules redirect. */
  async startRelay(options: Partial<RelayOptions> = {}, accepts = true): Promise<Relay> {
    const relay = await inNetworkOf(this.node.pid, () =>
      Relay.start({
        listeners: (["IPv4", "IPv6"] as const).flatMap((family) =>
          (["TCP", "UDP"] as const).map((protocol) => ({
            source: "pod" as const,
            family,
            protocol,
            host: ADDRESSES[family].any,
            port: REDIRECTED[protocol],
          })),
        ),
        onInternalError: (message) => console.error(message),
        ...options,
      }),
    );
    if (accepts) relay.accept();
    return relay;
  }

  async #wire(): Promise<void> {
    const { client, node, server } = this;
    await client.exec([
      "ip",
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "client",
      "netns",
      `${node.pid}`,
    ]);
    await server.exec([
      "ip",
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "server",
      "netns",
      `${node.pid}`,
    ]);
    for (const [namespace, lines] of [
      [client, CLIENT_LINES],
      [node, NODE_LINES],
      [server, SERVER_LINES],
    ] as const) {
      await namespace.exec(["ip", "-batch", "-"], lines.join("\n"));
    }
    const forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    await node.exec(["sysctl", "-qw", ...forwarding]);
    for (const [program, family] of [
      ["iptables", "IPv4"],
      ["ip6tables", "IPv6"],
    ] as const) {
      for (const protocol of ["tcp", "udp"]) {
        const match = ["-d", ADDRESSES[family].virtual, "-p", protocol];
        const target = ["-j", "REDIRECT", "--to-ports", `${REDIRECTED.TCP}`];
        await node.exec([program, "-w", "-t", "nat", "-A", "PREROUTING", ...match, ...target]);
      }
      await server.exec([program, "-w", "-A", "INPUT", "-d", ADDRESSES[family].silent, "-j", "DROP"]);
    }
  }
}

/** A virtual port at the virtual address, with the same endpoints for all clients. */
export function virtualPort(
  family: Family,
  protocol: "TCP" | "UDP",
  port: number,
  endpoints: readonly string[],
  rest: Partial<VirtualPortSpec> = {},
): VirtualPortSpec {
  return {
    id: `test/${protocol}:${port}`,
    protocol,
    destinations: [at(ADDRESSES[family].virtual, port)],
    endpoints: { pod: endpoints, outside: endpoints, node: endpoints },
    affinitySeconds: 0,
    proxyProtocol: 0,
    keepSource: false,
    ...rest,
  };
}

/** `ip:port` or `[ip]:port`. */
export function at(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
