/** Turns the address plan into lines for `ip -batch`, one set for each namespace. */
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import {
  CLIENT_ADDRESSES,
  CLIENT_RANGE,
  CLUSTER_CIDR,
  clientAddress,
  type HostName,
  MEMBERS,
  type MemberName,
  NODE_POD_CIDR,
  POD_GATEWAY,
  POD_INTERFACE_PREFIX,
  type PodName,
  SECOND_NODE_ADDRESS,
  SERVICE_NETWORKS,
  WIRE_PREFIX,
} from "./addresses.ts";

function perFamily(line: (family: IpFamily) => readonly string[]): string[] {
  return IP_FAMILIES.flatMap(line);
}

function nodad(family: IpFamily): string {
  return family === "IPv6" ? " nodad" : "";
}

/** Lines for `ip -batch` that make the wire's bridge, in `world`. */
export function bridgeLines(): string[] {
  return ["link set lo up", "link add lan0 type bridge mcast_snooping 0", "link set lan0 up"];
}

/** Lines that plug a host into the wire or a pod into its node, run in that member's own namespace. */
export function plugLines(name: MemberName, pidOf: (member: MemberName) => number): string[] {
  const node = MEMBERS[name].on;
  const far =
    node === undefined
      ? `lan-${name} netns ${pidOf("world")}`
      : `${POD_INTERFACE_PREFIX}${name} netns ${pidOf(node)}`;
  return ["link set lo up", `link add eth0 type veth peer name ${far}`, "link set eth0 up"];
}

/** Addresses and routes of `world`, once all hosts are plugged in. */
export function worldLines(hosts: readonly HostName[]): string[] {
  const ports = hosts.filter((host) => host !== "world").map((host) => `link set lan-${host} master lan0 up`);
  return [
    ...ports,
    ...perFamily((family) => [
      `addr add ${MEMBERS.world.address[family]}/${WIRE_PREFIX[family]} dev lan0${nodad(family)}`,
      ...Object.values(SERVICE_NETWORKS).map((network) => `route add local ${network[family]} dev lo`),
      // Back through the node, as for a real gateway: its connection tracking must see both directions.
      `route add ${CLUSTER_CIDR[family]} via ${MEMBERS.node.address[family]}`,
      `route add ${CLIENT_RANGE[family]} via ${MEMBERS.node.address[family]}`,
    ]),
  ];
}

/** Addresses and routes of a node with these pods. */
export function nodeLines(name: "node" | "node2", pods: readonly PodName[]): string[] {
  const other = name === "node" ? "node2" : "node";
  const podLines = (family: IpFamily): string[] =>
    pods.flatMap((pod) => {
      const device = `${POD_INTERFACE_PREFIX}${pod}`;
      const bits = family === "IPv4" ? 32 : 128;
      return [
        `link set ${device} up`,
        `addr add ${POD_GATEWAY[name][family]}/${bits} dev ${device}${nodad(family)}`,
        `route add ${MEMBERS[pod].address[family]}/${bits} dev ${device}`,
      ];
    });
  return perFamily((family) => [
    `addr add ${MEMBERS[name].address[family]}/${WIRE_PREFIX[family]} dev eth0${nodad(family)}`,
    ...podLines(family),
    `route add ${NODE_POD_CIDR[other][family]} via ${MEMBERS[other].address[family]}`,
    ...(name === "node"
      ? [
          `addr add ${SECOND_NODE_ADDRESS[family]} dev lo${nodad(family)}`,
          `route add default via ${MEMBERS.world.address[family]}`,
        ]
      : viaNode(family)),
  ]);
}

/** Addresses and routes of the client. It gives up its own 127.0.0.1, so that it can send to the node's. */
export function clientLines(): string[] {
  const addresses = Array.from({ length: CLIENT_ADDRESSES }, (_, index) => index);
  const prefix = WIRE_PREFIX;
  return [
    "addr del 127.0.0.1/8 dev lo",
    ...perFamily((family) => [
      ...addresses.map(
        (index) =>
          `addr add ${clientAddress(family, index)}/${prefix[family]} dev eth0${nodad(family)}${unlessFirst(index)}`,
      ),
      ...viaNode(family),
    ]),
    `route add 127.0.0.1/32 via ${MEMBERS.node.address.IPv4} dev eth0`,
  ];
}

/** Kernels differ in which of several addresses they send from. None sends from a deprecated one unless told to. */
function unlessFirst(index: number): string {
  return index === 0 ? "" : " preferred_lft 0";
}

/** Address and routes of a pod. */
export function podLines(name: PodName): string[] {
  const gateway = POD_GATEWAY[MEMBERS[name].on ?? "node"];
  return perFamily((family) => [
    `addr add ${MEMBERS[name].address[family]}/${family === "IPv4" ? 32 : 128} dev eth0${nodad(family)}`,
    `route add ${gateway[family]} dev eth0`,
    `route add default via ${gateway[family]}`,
  ]);
}

function viaNode(family: IpFamily): string[] {
  const networks = Object.values(SERVICE_NETWORKS).map((network) => network[family]);
  return [...networks, SECOND_NODE_ADDRESS[family]].map(
    (network) => `route add ${network} via ${MEMBERS.node.address[family]}`,
  );
}
