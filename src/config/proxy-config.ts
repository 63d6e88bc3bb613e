/** The effective configuration: one frozen value that every part of the program reads. Durations are milliseconds. */
import type { ModuleVerbosity } from "../logging/verbosity.ts";
import type { IpFamily } from "../model/types.ts";

export type ProxyMode = "iptables" | "ipvs" | "nftables" | "userspace";
export type DetectLocalMode = "ClusterCIDR" | "NodeCIDR" | "BridgeInterface" | "InterfaceNamePrefix";

/** A listening address; `undefined` in ProxyConfig means the server is disabled. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface ProxyConfig {
  readonly mode: ProxyMode;
  /** Canonical address; the unspecified address of a family when not set. */
  readonly bindAddress: string;
  readonly hostnameOverride: string;
  readonly healthz: ListenAddress | undefined;
  readonly metrics: ListenAddress | undefined;
  readonly bindAddressHardFail: boolean;
  readonly client: {
    readonly kubeconfig: string;
    readonly master: string;
    /** Requests a second on average, and at once after a pause; undefined = no limit. */
    readonly rateLimit: { readonly qps: number; readonly burst: number } | undefined;
  };
  /** `--manifests DIR`; empty = watch an API server. */
  readonly manifests: string;
  readonly logging: {
    readonly format: "text" | "json";
    readonly verbosity: number;
    /** Of single modules; the first pattern that matches counts. */
    readonly vmodule: readonly ModuleVerbosity[];
    readonly splitStream: boolean;
  };
  /** Serve profiles, and take a verbosity, on the metrics server. */
  readonly profiling: boolean;
  /** Between two full passes that nothing else asks for. */
  readonly fullPassPeriodMs: number;
  readonly syncPeriodMs: number;
  readonly minSyncPeriodMs: number;
  readonly masqueradeAll: boolean;
  readonly masqueradeBit: number;
  readonly localhostNodePorts: boolean;
  readonly detectLocalMode: DetectLocalMode;
  /** First CIDR of each family; empty string = none. */
  readonly clusterCIDR: Readonly<Record<IpFamily, string>>;
  readonly bridgeInterface: string;
  readonly interfaceNamePrefix: string;
  /** Canonical CIDRs and the keyword `primary`; empty = all addresses. In nftables mode `primary` is the default. */
  readonly nodePortAddresses: readonly string[];
  /** Read in ipvs mode. */
  readonly ipvs: {
    readonly scheduler: string;
    /** Canonical CIDRs of both families: virtual servers in them are never deleted. */
    readonly excludeCIDRs: readonly string[];
    readonly strictARP: boolean;
    /** Of idle connections, in whole seconds; 0 = as the kernel has them. */
    readonly tcpTimeoutMs: number;
    readonly tcpFinTimeoutMs: number;
    readonly udpTimeoutMs: number;
  };
  /** Read in userspace mode. */
  readonly userspace: {
    /** Local ports that the proxy may listen on, both ends included; undefined = the kernel picks. */
    readonly portRange: { readonly from: number; readonly to: number } | undefined;
    readonly udpIdleTimeoutMs: number;
  };
  readonly oomScoreAdj: number;
  readonly conntrack: {
    readonly maxPerCore: number;
    readonly min: number;
    readonly tcpEstablishedTimeoutMs: number;
    readonly tcpCloseWaitTimeoutMs: number;
    readonly tcpBeLiberal: boolean;
    readonly udpTimeoutMs: number;
    readonly udpStreamTimeoutMs: number;
  };
  /** Service ports that have series of their own in each family; 0 = the kernel counts nothing. */
  readonly serviceMetricsLimit: number;
  /** Where the commands of the program ask how it is doing; empty = nowhere. */
  readonly statusSocket: string;
  readonly featureGates: Readonly<Record<string, boolean>>;
}

/** What the command line asks for. */
export type Action = "run" | "cleanup" | "init-only" | "write-config";
