/**
 * What the running proxy tells over its local socket. Times are milliseconds since the epoch. Fields may be added;
 * readers pass over those that they do not know.
 */
import type { ProxyMode } from "../config/proxy-config.ts";
import type { IpFamily, Protocol } from "../model/types.ts";

/** Where each kind of answer is. The second and third are JSON objects, one a line. */
export const STATUS_PATH = "/v1/status";
export const SERVICES_PATH = "/v1/services";
export const ENDPOINTS_PATH = "/v1/endpoints";
/** The effective configuration, as /configz of the metrics server has it. */
export const CONFIG_PATH = "/v1/config";

export interface StatusReport {
  readonly program: string;
  readonly version: string;
  /** The Kubernetes release whose behaviour is implemented. */
  readonly kubernetes: string;
  readonly pid: number;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly mode: ProxyMode;
  readonly node: string;
  /** At most one of each family, that of the primary family first. */
  readonly nodeIPs: readonly string[];
  readonly kernel: string;
  /** `API server`, with its URL where one is configured, or the manifest folder. */
  readonly source: string;
  /** No problem below. Notices do not count. */
  readonly healthy: boolean;
  /** Why Services may not be served as the cluster has them. */
  readonly problems: readonly string[];
  /** What an operator should know, though the proxy does all that it can. */
  readonly notices: readonly string[];
  readonly families: readonly FamilyReport[];
}

export type FamilyState = "not served" | "waiting" | "in sync" | "behind" | "failing";

export interface FamilyReport {
  readonly family: IpFamily;
  readonly state: FamilyState;
  /** Why the family is not served; empty otherwise. */
  readonly reason: string;
  /** What the mode runs on: versions, variant of iptables, table. */
  readonly details: Readonly<Record<string, string | number>>;
  readonly lastSync?: { readonly atMs: number; readonly seconds: number; readonly full: boolean };
  readonly lastError?: { readonly atMs: number; readonly message: string };
  readonly retryAtMs?: number;
  readonly pendingServices: number;
  readonly oldestPendingMs?: number;
  readonly fullPassDue?: string;
  readonly driftRepairs: number;
  readonly lastDrift?: { readonly atMs: number; readonly drift: string };
  readonly counts: ObjectCounts;
  readonly refusedServices: number;
  /** The first of them. */
  readonly refused: readonly { readonly service: string; readonly reason: string }[];
}

/** What the cluster has, as far as this family is concerned. */
export interface ObjectCounts {
  readonly services: number;
  readonly ports: number;
  /** Addresses in slices of these Services, usable or not. */
  readonly endpoints: number;
}

/** `removing`: the Service is gone from the cluster, and not yet from the kernel. */
export type ProgrammedState = "programmed" | "pending" | "refused" | "removing" | "not served";

export type TrafficPolicy = "Cluster" | "Local";

/** One port of a Service; of a Service that is being removed, one row without a port. */
export interface ServiceRow {
  readonly namespace: string;
  readonly name: string;
  readonly port?: PortOfRow;
  readonly clusterIPs: readonly string[];
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  readonly loadBalancerSourceRanges: readonly string[];
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  /** Seconds; 0 = none. */
  readonly sessionAffinitySeconds: number;
  /** 0 = none, as `nodePort`. */
  readonly healthCheckNodePort: number;
  readonly families: readonly ServiceInFamily[];
}

export interface PortOfRow {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly nodePort: number;
}

export interface ServiceInFamily {
  readonly family: IpFamily;
  readonly state: ProgrammedState;
  /** Why it was refused or is not served; else empty. */
  readonly reason: string;
  /** Endpoints that new connections may reach from here, of those listed. */
  readonly usedEndpoints: number;
  readonly listedEndpoints: number;
}

/** One endpoint of one port of a Service. */
export interface EndpointRow {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly ip: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly isLocal: boolean;
  /** Empty when unknown. */
  readonly nodeName: string;
  /** Zones that the endpoint is meant for (topology hints). */
  readonly forZones: readonly string[];
  /** The traffic that it gets: by which policies new connections may reach it from here. */
  readonly usedBy: readonly TrafficPolicy[];
  readonly state: ProgrammedState;
}

/** Which Services a question is about; an empty text means all. */
export interface ServiceFilter {
  readonly namespace: string;
  readonly name: string;
}
