/** A valid configuration → the frozen value that the program runs on. */
import { canonicalCidr, canonicalIp, familyOf } from "../model/address.ts";
import type { IpFamily } from "../model/types.ts";
import { parseListenAddress } from "./listen-address.ts";
import { type PortRange, parsePortRange } from "./port-range.ts";
import type { ProxyConfig, ProxyMode } from "./proxy-config.ts";
import type { KubeProxyConfiguration } from "./schema.ts";
import { isDetectLocalMode, isProxyMode } from "./validate.ts";

/** Round robin, as upstream. */
const DEFAULT_SCHEDULER = "rr";

/** What client-go has in place of 0. */
const DEFAULT_QPS = 5;
const DEFAULT_BURST = 10;

/** A full pass comes every hour by default: it finds what no detector sees, at a cost that grows with the cluster. */
const CONFIG_SYNCS_PER_FULL_PASS = 4;

/** What only the command line can say. */
export interface Overrides {
  readonly master: string;
  readonly manifests: string;
  readonly serviceMetricsLimit: number;
  readonly statusSocket: string;
}

/** Maps a validated configuration to the effective one. Of the per-mode sections only the chosen mode's counts. */
export function resolveConfig(config: KubeProxyConfiguration, overrides: Overrides): ProxyConfig {
  const { master, manifests, serviceMetricsLimit, statusSocket } = overrides;
  const mode = isProxyMode(config.mode) ? config.mode : "iptables";
  const { clientConnection, conntrack, logging } = config;
  const format = logging.format === "json" ? "json" : "text";
  const ofTheMode = ofMode(config, mode);
  return deepFreeze<ProxyConfig>({
    mode,
    bindAddress: canonicalIp(config.bindAddress) ?? "0.0.0.0",
    hostnameOverride: config.hostnameOverride.trim().toLowerCase(),
    healthz: parseListenAddress(config.healthzBindAddress),
    metrics: parseListenAddress(config.metricsBindAddress),
    bindAddressHardFail: config.bindAddressHardFail,
    client: { kubeconfig: clientConnection.kubeconfig, master, rateLimit: rateLimitOf(clientConnection) },
    manifests,
    logging: {
      format,
      verbosity: logging.verbosity,
      vmodule: logging.vmodule,
      splitStream: logging.options[format].splitStream,
    },
    profiling: config.enableProfiling,
    ...ofTheMode,
    fullPassPeriodMs: Math.max(ofTheMode.syncPeriodMs, CONFIG_SYNCS_PER_FULL_PASS * config.configSyncPeriod),
    localhostNodePorts: config.iptables.localhostNodePorts,
    detectLocalMode: isDetectLocalMode(config.detectLocalMode) ? config.detectLocalMode : "ClusterCIDR",
    clusterCIDR: clusterCidrs(config),
    bridgeInterface: config.detectLocal.bridgeInterface,
    interfaceNamePrefix: config.detectLocal.interfaceNamePrefix,
    nodePortAddresses: config.nodePortAddresses.map((text) => canonicalCidr(text) ?? text),
    ipvs: {
      scheduler: config.ipvs.scheduler || DEFAULT_SCHEDULER,
      excludeCIDRs: config.ipvs.excludeCIDRs.map((text) => canonicalCidr(text) ?? text),
      strictARP: config.ipvs.strictARP,
      tcpTimeoutMs: config.ipvs.tcpTimeout,
      tcpFinTimeoutMs: config.ipvs.tcpFinTimeout,
      udpTimeoutMs: config.ipvs.udpTimeout,
    },
    userspace: { portRange: portRangeOf(config), udpIdleTimeoutMs: config.udpIdleTimeout },
    oomScoreAdj: config.oomScoreAdj,
    conntrack: {
      maxPerCore: conntrack.maxPerCore,
      min: conntrack.min,
      tcpEstablishedTimeoutMs: conntrack.tcpEstablishedTimeout,
      tcpCloseWaitTimeoutMs: conntrack.tcpCloseWaitTimeout,
      tcpBeLiberal: conntrack.tcpBeLiberal,
      udpTimeoutMs: conntrack.udpTimeout,
      udpStreamTimeoutMs: conntrack.udpStreamTimeout,
    },
    serviceMetricsLimit,
    statusSocket,
    featureGates: { ...config.featureGates },
  });
}

/** As client-go reads the two numbers. */
function rateLimitOf({
  qps,
  burst,
}: KubeProxyConfiguration["clientConnection"]): ProxyConfig["client"]["rateLimit"] {
  return qps < 0 ? undefined : { qps: qps || DEFAULT_QPS, burst: burst || DEFAULT_BURST };
}

/** ipvs has periods of its own and borrows the masquerade settings of the iptables section. */
function ofMode(
  config: KubeProxyConfiguration,
  mode: ProxyMode,
): Pick<ProxyConfig, "syncPeriodMs" | "minSyncPeriodMs" | "masqueradeAll" | "masqueradeBit"> {
  const masquerade = mode === "nftables" ? config.nftables : config.iptables;
  const periods = mode === "nftables" ? config.nftables : mode === "ipvs" ? config.ipvs : config.iptables;
  return {
    syncPeriodMs: periods.syncPeriod,
    minSyncPeriodMs: periods.minSyncPeriod,
    masqueradeAll: masquerade.masqueradeAll,
    masqueradeBit: masquerade.masqueradeBit,
  };
}

/** Other modes than userspace leave the field unchecked. */
function portRangeOf({ portRange }: KubeProxyConfiguration): PortRange | undefined {
  const range = parsePortRange(portRange);
  return range === "any" ? undefined : range;
}

/** Other modes of local detection leave the field unchecked, so it is not read there. */
function clusterCidrs(config: KubeProxyConfiguration): Record<IpFamily, string> {
  const result: Record<IpFamily, string> = { IPv4: "", IPv6: "" };
  if (config.detectLocalMode !== "ClusterCIDR") return result;
  for (const text of config.clusterCIDR.split(",")) {
    const cidr = canonicalCidr(text);
    if (cidr !== undefined) result[familyOf(cidr)] ||= cidr;
  }
  return result;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
