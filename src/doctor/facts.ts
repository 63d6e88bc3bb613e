/** What is known of the host: gathered once, then only looked at. */
import type { ProxyConfig, ProxyMode } from "../config/proxy-config.ts";
import type { IpFamily, Protocol } from "../model/types.ts";
import type { StatusReport } from "../status/report.ts";

/** Rules in one variant of iptables, in one family. */
export interface VariantFacts {
  readonly family: IpFamily;
  readonly variant: "nft" | "legacy";
  /** Modes of kube-proxy whose chains are there. */
  readonly modes: readonly ProxyMode[];
  /** Chains by which kubelet tells others what it uses. */
  readonly hasKubelet: boolean;
  /** Rules that no Kubernetes component made. */
  readonly otherRules: number;
}

/** What the plain names `iptables` and `ip6tables` stand for. */
export interface DefaultIptables {
  readonly family: IpFamily;
  readonly variant: "nft" | "legacy";
  readonly version: string;
}

/** A socket that takes traffic. */
export interface Listener {
  readonly protocol: "TCP" | "UDP";
  readonly family: IpFamily;
  readonly address: string;
  readonly port: number;
  /** Of the process that has it, where that can be seen. */
  readonly pid: number | undefined;
  /** `nginx (4711)`; empty when it cannot be seen. */
  readonly process: string;
}

/** A port of the node that a Service has. */
export interface WantedPort {
  /** `namespace/name`. */
  readonly service: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** The proxy listens on it itself, to answer health checks of load balancers. */
  readonly isHealthCheck: boolean;
}

export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
}

export interface HostFacts {
  readonly config: ProxyConfig;
  readonly kernel: string;
  /** The kernel has IPv6. */
  readonly hasIPv6: boolean;
  /** Values by name with slashes; what the kernel does not have is missing. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** Interfaces but the loopback device. */
  readonly interfaces: readonly { readonly name: string; readonly isBridge: boolean }[];
  /** Capabilities that the proxy has, or would have if this process were it; undefined when they cannot be read. */
  readonly capabilities: bigint | undefined;
  /** Packets that connection tracking called invalid since the host started. */
  readonly invalidPackets: number | undefined;
  readonly cpus: number;
  /** Why the mode cannot run in a family; empty = it can. Tried only where no proxy runs. */
  readonly probes: ReadonlyMap<IpFamily, string>;
  readonly defaults: readonly DefaultIptables[];
  readonly variants: readonly VariantFacts[];
  /** Families with a table of nftables mode. */
  readonly nftablesTables: readonly IpFamily[];
  /** The device of ipvs mode is there. */
  readonly hasIpvsDevice: boolean;
  readonly listeners: readonly Listener[];
  /** Undefined when no proxy tells of its Services. */
  readonly wantedPorts: readonly WantedPort[] | undefined;
  /** Processes that look like a kube-proxy of this network. */
  readonly proxies: readonly ProcessFacts[];
  /** Who holds the lock of iptables-legacy just now. */
  readonly lockHolders: readonly string[];
  readonly running: StatusReport | undefined;
}
