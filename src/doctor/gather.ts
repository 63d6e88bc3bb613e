/** Looks at the host. What cannot be seen is missing from the facts; nothing is changed, but for what a trial of the mode does. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { createBackend } from "../backends/create.ts";
import { NFTABLES_TABLE } from "../backends/leftovers.ts";
import type { ProxyConfig } from "../config/proxy-config.ts";
import { hasIPv6 } from "../kernel/addresses.ts";
import { machineCpuCount } from "../kernel/cpu-count.ts";
import { findLink } from "../kernel/links.ts";
import { tableExists } from "../kernel/nf-tables.ts";
import { openRtnetlink } from "../kernel/rtnetlink.ts";
import { readSysctl } from "../kernel/sysctl.ts";
import { VIRTUAL_DEVICE } from "../kernel/virtual-device.ts";
import type { Logger } from "../logging/logger.ts";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";
import type { ServiceRow, StatusReport } from "../status/report.ts";
import type { HostFacts, WantedPort } from "./facts.ts";
import { gatherIptables } from "./gather-iptables.ts";
import { findLockHolders, findProxies, readCapabilities } from "./gather-processes.ts";
import { listListeners } from "./gather-sockets.ts";

/** What the running proxy tells; absent when none answers. */
export interface RunningProxy {
  readonly status: StatusReport;
  readonly services: readonly ServiceRow[];
}

/** `logger` gets what a trial of the mode has to say. Rejects only for defects of our own. */
export async function gatherFacts(
  config: ProxyConfig,
  running: RunningProxy | undefined,
  logger: Logger,
): Promise<HostFacts> {
  const interfaces = listInterfaces();
  const pid = running?.status.pid;
  // A proxy in another process namespace is a number that means nothing here.
  const isSeen = pid !== undefined && existsSync(`/proc/${pid}`);
  return {
    config,
    kernel: release(),
    hasIPv6: hasIPv6(),
    sysctls: readSysctls(interfaces.map(({ name }) => name)),
    interfaces,
    capabilities: readCapabilities(isSeen ? pid : undefined),
    invalidPackets: readInvalidPackets(),
    cpus: machineCpuCount(),
    probes: running === undefined ? await probe(config, logger) : new Map(),
    ...(await gatherIptables()),
    nftablesTables: await familiesWithTable(),
    hasIpvsDevice: hasIpvsDevice(),
    listeners: listListeners(),
    wantedPorts: running && wantedPortsOf(running.services),
    proxies: findProxies(pid),
    lockHolders: findLockHolders(),
    running: running?.status,
  };
}

const SYSCTLS: readonly string[] = [
  "net/ipv4/ip_forward",
  "net/ipv6/conf/all/forwarding",
  "net/bridge/bridge-nf-call-iptables",
  "net/bridge/bridge-nf-call-ip6tables",
  "net/ipv4/conf/all/rp_filter",
  "net/ipv4/conf/all/route_localnet",
  "net/ipv4/ip_local_port_range",
  "net/ipv4/ip_local_reserved_ports",
  "net/netfilter/nf_conntrack_count",
  "net/netfilter/nf_conntrack_max",
  "net/netfilter/nf_conntrack_tcp_be_liberal",
];

function readSysctls(interfaces: readonly string[]): ReadonlyMap<string, string> {
  const ofInterfaces = interfaces.map((name) => `net/ipv4/conf/${name}/rp_filter`);
  return new Map(
    [...SYSCTLS, ...ofInterfaces].flatMap((name) => {
      const value = orUndefined(() => readSysctl(name));
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

function listInterfaces(): HostFacts["interfaces"] {
  const folder = "/sys/class/net";
  const names = orUndefined(() => readdirSync(folder)) ?? [];
  return names
    .filter((name) => name !== "lo" && name !== VIRTUAL_DEVICE && existsSync(`${folder}/${name}/address`))
    .map((name) => ({ name, isBridge: existsSync(`${folder}/${name}/bridge`) }));
}

/** A line of names, and a line of hexadecimal numbers for each CPU; the first of a later kernel are of the whole table. */
function readInvalidPackets(): number | undefined {
  const text = orUndefined(() => readFileSync("/proc/net/stat/nf_conntrack", "utf8"));
  const [names = "", ...lines] = text?.trim().split("\n") ?? [];
  const column = names.trim().split(/\s+/).indexOf("invalid");
  if (column < 0) return undefined;
  return lines.reduce((sum, line) => sum + Number.parseInt(line.trim().split(/\s+/)[column] ?? "0", 16), 0);
}

/** Tries the mode as the start of the proxy does. */
async function probe(config: ProxyConfig, logger: Logger): Promise<ReadonlyMap<IpFamily, string>> {
  const results = new Map<IpFamily, string>();
  const none = { nodeIPs: [], localAddresses: [], podCIDR: "", serviceCIDRs: [] };
  for (const family of IP_FAMILIES) {
    if (family === "IPv6" && !hasIPv6()) continue;
    const backend = createBackend(config.mode, { config, family, logger, nodeFacts: async () => none });
    try {
      await backend.probe();
      results.set(family, "");
    } catch (error) {
      results.set(family, error instanceof Error ? error.message : String(error));
    } finally {
      await backend.close?.();
    }
  }
  return results;
}

async function familiesWithTable(): Promise<readonly IpFamily[]> {
  const found: IpFamily[] = [];
  for (const family of IP_FAMILIES) {
    if (await tableExists(family, NFTABLES_TABLE).catch(() => false)) found.push(family);
  }
  return found;
}

function hasIpvsDevice(): boolean {
  return (
    orUndefined(() => {
      using socket = openRtnetlink();
      return findLink(socket, VIRTUAL_DEVICE) !== undefined;
    }) ?? false
  );
}

function wantedPortsOf(services: readonly ServiceRow[]): readonly WantedPort[] {
  const ports = new Map<string, WantedPort>();
  for (const { namespace, name, port, healthCheckNodePort } of services) {
    const service = `${namespace}/${name}`;
    const add = (wanted: WantedPort): unknown => ports.set(`${wanted.protocol} ${wanted.port}`, wanted);
    if (port !== undefined && port.nodePort !== 0)
      add({ service, protocol: port.protocol, port: port.nodePort, isHealthCheck: false });
    if (healthCheckNodePort !== 0)
      add({ service, protocol: "TCP", port: healthCheckNodePort, isHealthCheck: true });
  }
  return [...ports.values()];
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
