/**
 * The network of one run, in three namespaces that end with this process:
 *
 *     client ── node ── pods
 *
 * `node` has the API server and the proxy; `pods` answers at every address of the pod network; `client` is a pod of the
 * node that knows the others by route only. A Service address that the node does not translate goes to `pods` too, where
 * nobody listens on its port, so that the client is refused at once.
 */

import { Namespace } from "../support/testbed/namespace.ts";
import { SYSCTLS } from "../support/testbed/sysctls.ts";
import type { ApiCalls } from "./agents/api.ts";
import type { ClientCalls } from "./agents/client.ts";
import type { KernelCalls } from "./agents/kernel.ts";
import type { LoadClientCalls } from "./agents/load-client.ts";
import type { LoadServerCalls } from "./agents/load-server.ts";
import type { PodsCalls } from "./agents/pods.ts";
import { Agent } from "./agents/rpc.ts";
import { NODE_ADDRESS, POD_NETWORK, POD_PORT, SERVICE_NETWORK } from "./cluster.ts";

const PODS_GATEWAY = "192.0.2.2";
const CLIENT = "10.64.0.2";
const CLIENT_GATEWAY = "10.64.0.1";

/** Connections of the client are short and many; a finished one is of no use to anybody. */
const NODE_SYSCTLS = `${SYSCTLS}
net.netfilter.nf_conntrack_tcp_timeout_close=1
net.netfilter.nf_conntrack_tcp_timeout_time_wait=1
`;
/** Pods' connections may pile up: in some measurements nobody accepts them. */
const PODS_SYSCTLS = `${SYSCTLS}
net.core.somaxconn=65535
`;
/** So many connections end every minute that ports have to be used again. */
const CLIENT_SYSCTLS = `${SYSCTLS}
net.ipv4.ip_local_port_range=1024 65535
net.ipv4.tcp_tw_reuse=1
`;

/** The two ends of a load. */
export interface LoadEnds {
  readonly client: Agent<LoadClientCalls>;
  readonly server: Agent<LoadServerCalls>;
}

export class Network {
  readonly node: Namespace;
  readonly api: Agent<ApiCalls>;
  readonly client: Agent<ClientCalls>;
  readonly pods: Agent<PodsCalls>;
  /** Inside the node. */
  readonly kernel: Agent<KernelCalls>;
  /** Further clients and pods, for what a relay carries. */
  readonly load: LoadEnds | undefined;
  readonly #owned: readonly { dispose(): Promise<void> }[];

  /** `isRelayed`: a process on the node carries what clients and pods say to each other. */
  static async create(isRelayed: boolean): Promise<Network> {
    const [node, pods, client] = await Promise.all([
      Namespace.create("node"),
      Namespace.create("pods"),
      Namespace.create("client"),
    ]);
    await wire(node, pods, client);
    const network = new Network(node, pods, client, isRelayed);
    await network.pods.call("serve", POD_PORT);
    return network;
  }

  private constructor(node: Namespace, pods: Namespace, client: Namespace, isRelayed: boolean) {
    this.node = node;
    this.api = new Agent(node, new URL("./agents/api.ts", import.meta.url));
    this.kernel = new Agent(node, new URL("./agents/kernel.ts", import.meta.url));
    this.pods = new Agent(pods, new URL("./agents/pods.ts", import.meta.url));
    this.client = new Agent(client, new URL("./agents/client.ts", import.meta.url));
    if (isRelayed) {
      this.load = {
        client: new Agent(client, new URL("./agents/load-client.ts", import.meta.url)),
        server: new Agent(pods, new URL("./agents/load-server.ts", import.meta.url)),
      };
    }
    const load = this.load === undefined ? [] : [this.load.client, this.load.server];
    this.#owned = [this.api, this.kernel, this.pods, this.client, ...load, node, pods, client];
  }

  async dispose(): Promise<void> {
    for (const owned of this.#owned) await owned.dispose();
  }
}

async function wire(node: Namespace, pods: Namespace, client: Namespace): Promise<void> {
  const ip = (namespace: Namespace, lines: readonly string[]): Promise<string> =>
    namespace.exec(["ip", "-batch", "-"], `${lines.join("\n")}\n`);
  const sysctl = (namespace: Namespace, settings: string): Promise<string> =>
    namespace.exec(["sysctl", "-q", "-e", "-p", "-"], settings);
  await Promise.all([sysctl(node, NODE_SYSCTLS), sysctl(pods, PODS_SYSCTLS), sysctl(client, CLIENT_SYSCTLS)]);
  await ip(node, [
    "link set lo up",
    `link add pods0 type veth peer name eth0 netns ${pods.pid}`,
    `link add client0 type veth peer name eth0 netns ${client.pid}`,
    "link set pods0 up",
    "link set client0 up",
    `addr add ${NODE_ADDRESS}/30 dev pods0`,
    `addr add ${CLIENT_GATEWAY}/30 dev client0`,
  ]);
  await ip(pods, [
    "link set lo up",
    "link set eth0 up",
    `addr add ${PODS_GATEWAY}/30 dev eth0`,
    `route add default via ${NODE_ADDRESS}`,
    `route add local ${POD_NETWORK} dev lo`,
    `route add local ${SERVICE_NETWORK} dev lo`,
  ]);
  await ip(client, [
    "link set lo up",
    "link set eth0 up",
    `addr add ${CLIENT}/30 dev eth0`,
    `route add default via ${CLIENT_GATEWAY}`,
  ]);
  await ip(
    node,
    [POD_NETWORK, SERVICE_NETWORK].map((network) => `route add ${network} via ${PODS_GATEWAY}`),
  );
}
