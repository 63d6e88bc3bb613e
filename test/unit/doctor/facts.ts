/** A host on which all is well, and what differs. */
import type { HostFacts, Listener } from "../../../src/doctor/facts.ts";
import type { StatusReport } from "../../../src/status/report.ts";
import { configOf } from "../status/view.ts";

/** A proxy that answers. */
export function running(fields: Partial<StatusReport> = {}): StatusReport {
  const family = {
    reason: "",
    details: {},
    pendingServices: 0,
    driftRepairs: 0,
    refusedServices: 0,
    refused: [],
  };
  const counts = { services: 0, ports: 0, endpoints: 0 };
  return {
    program: "kube-proxy-ts",
    version: "0",
    kubernetes: "v1",
    pid: 100,
    startedMs: 0,
    nowMs: 1,
    mode: "iptables",
    node: "node-a",
    nodeIPs: ["192.0.2.10"],
    kernel: "6.1",
    source: "folder /m",
    healthy: true,
    problems: [],
    notices: [],
    families: (["IPv4", "IPv6"] as const).map((name) => ({
      ...family,
      counts,
      family: name,
      state: "in sync" as const,
    })),
    ...fields,
  };
}

export function listener(port: number, fields: Partial<Listener> = {}): Listener {
  return {
    protocol: "TCP",
    family: "IPv4",
    address: "0.0.0.0",
    port,
    pid: 200,
    process: "nginx (200)",
    ...fields,
  };
}

export const SYSCTLS: ReadonlyMap<string, string> = new Map([
  ["net/ipv4/ip_forward", "1"],
  ["net/ipv6/conf/all/forwarding", "1"],
  ["net/ipv4/conf/all/rp_filter", "0"],
  ["net/ipv4/conf/all/route_localnet", "1"],
  ["net/ipv4/ip_local_port_range", "32768\t60999"],
  ["net/ipv4/ip_local_reserved_ports", ""],
  ["net/netfilter/nf_conntrack_count", "10"],
  ["net/netfilter/nf_conntrack_max", "262144"],
  ["net/netfilter/nf_conntrack_tcp_be_liberal", "0"],
]);

/** Settings as they should be, but for these; undefined = the kernel has no such setting. */
export function sysctls(changes: Readonly<Record<string, string | undefined>>): ReadonlyMap<string, string> {
  const all = { ...Object.fromEntries(SYSCTLS), ...changes };
  return new Map(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

export function host(fields: Partial<HostFacts> = {}): HostFacts {
  return {
    config: configOf(),
    kernel: "6.1.0",
    hasIPv6: true,
    sysctls: SYSCTLS,
    interfaces: [{ name: "eth0", isBridge: false }],
    capabilities: 2n ** 41n - 1n,
    invalidPackets: 3,
    cpus: 2,
    probes: new Map(),
    defaults: (["IPv4", "IPv6"] as const).map((family) => ({ family, variant: "nft", version: "1.8.9" })),
    variants: (["IPv4", "IPv6"] as const).map((family) => ({
      family,
      variant: "nft",
      modes: ["iptables"],
      hasKubelet: true,
      otherRules: 5,
    })),
    nftablesTables: [],
    hasIpvsDevice: false,
    listeners: [
      listener(10256, { address: "::", family: "IPv6", pid: 100, process: "node (100)" }),
      listener(10249, { address: "127.0.0.1", pid: 100, process: "node (100)" }),
      listener(22),
    ],
    wantedPorts: [{ service: "shop/web", protocol: "TCP", port: 30080, isHealthCheck: false }],
    proxies: [{ pid: 100, command: "kube-proxy --config=/c" }],
    lockHolders: [],
    running: running(),
    ...fields,
  };
}
