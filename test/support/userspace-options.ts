/** Options of userspace mode for tests: what an unconfigured proxy has, with pods known by their network. */
import type { UserspaceOptions } from "../../src/backends/userspace/options.ts";
import type { RelayPorts } from "../../src/backends/userspace/rules.ts";
import type { IpFamily } from "../../src/model/types.ts";

const OF_FAMILY = {
  IPv4: { node: "192.168.0.2", loopback: "127.0.0.1", unspecified: "0.0.0.0", pods: "10.0.0.0/8" },
  IPv6: { node: "fd00:192:168::2", loopback: "::1", unspecified: "::", pods: "fd00:10::/32" },
} as const;

export function userspaceOptions(
  family: IpFamily = "IPv4",
  changes: Partial<UserspaceOptions> = {},
): UserspaceOptions {
  const { node, loopback, unspecified, pods } = OF_FAMILY[family];
  return {
    family,
    listenAddress: unspecified,
    localTraffic: { kind: "source", cidr: pods },
    nodePortAddresses: [node],
    nodeIPs: [node],
    localAddresses: [loopback, node],
    keepSourceMark: 0x10,
    ...changes,
  };
}

/** Ports that a relay might listen on. */
export const RELAY_PORTS: RelayPorts = {
  TCP: { pod: 40_001, outside: 40_002, node: 40_003 },
  UDP: { pod: 50_001, outside: 50_002, node: 50_003 },
};
