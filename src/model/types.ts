/**
 * The vocabulary of the proxy: what the store holds, what the model resolves it to, and what every
 * backend reads. Types only; nothing here knows of Kubernetes' JSON or of a kernel.
 */

export type IpFamily = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP" | "SCTP";

export const IP_FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];

/**
 * Version of the PROXY protocol by which endpoints are told, at the start of a TCP connection, who their client is and
 * what it connected to; 0 = none. Only a mode that carries the bytes itself can: all but userspace mode ignore it.
 */
export type ProxyProtocol = 0 | 1 | 2;

/** `namespace/name` of a Service. */
export type ServiceKey = string;

/** One value for each address family. */
export type PerFamily<T> = Readonly<Record<IpFamily, T>>;

/** One port of a Service as stored: the fields of spec.ports[] that the proxy uses. */
export interface PortRecord {
  /** Empty for a single unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  /** 1–65535. */
  readonly port: number;
  /** 0 when none is allocated. */
  readonly nodePort: number;
}

/** A Service as stored: canonical addresses, split by family, nothing that the proxy does not use. */
export interface ServiceRecord {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  /** Empty when unknown (a manifest without one); used only to attach events. */
  readonly uid: string;
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer";
  /** The cluster IP of each family; empty string when the Service has none of that family. */
  readonly clusterIP: PerFamily<string>;
  readonly ports: readonly PortRecord[];
  readonly externalIPs: PerFamily<readonly string[]>;
  /** Load-balancer ingress addresses whose ipMode is VIP (or unset). */
  readonly loadBalancerIPs: PerFamily<readonly string[]>;
  /** Canonical, masked CIDRs. */
  readonly sourceRanges: PerFamily<readonly string[]>;
  /** Seconds of ClientIP affinity; 0 = none. */
  readonly affinitySeconds: number;
  /** spec.externalTrafficPolicy is Local and the Service is of a kind that honours it. */
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** Port of the health-check server; 0 unless type LoadBalancer with external policy Local. */
  readonly healthCheckNodePort: number;
  readonly proxyProtocol: ProxyProtocol;
}

/** One endpoint of a slice as stored. */
export interface EndpointRecord {
  readonly ip: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Empty when unknown. */
  readonly nodeName: string;
  /** hints.forZones / hints.forNodes; absent = no hint. */
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

/** One EndpointSlice (or one subset of a legacy Endpoints object) as stored. */
export interface SliceRecord {
  /** `namespace/name` of the slice itself. */
  readonly key: string;
  readonly serviceKey: ServiceKey;
  readonly family: IpFamily;
  readonly ports: readonly { readonly name: string; readonly protocol: Protocol; readonly port: number }[];
  readonly endpoints: readonly EndpointRecord[];
  /** endpoints.kubernetes.io/last-change-trigger-time in milliseconds since the epoch; absent if unset or unparsable. */
  readonly triggerTimeMs?: number;
}

/** What the model must know of the node it runs on. */
export interface NodeContext {
  /** After hostname override, trimmed, lower case. */
  readonly name: string;
  /** Label topology.kubernetes.io/zone; empty when unset. */
  readonly zone: string;
}

/** An endpoint of a resolved service port. */
export interface Endpoint {
  /** Canonical address, IPv6 without brackets. */
  readonly ip: string;
  readonly port: number;
  readonly isLocal: boolean;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/**
 * One port of one Service in one family, with every decision about endpoints and policy taken.
 * This is all a backend ever sees of the cluster.
 */
export interface ServicePort {
  readonly serviceKey: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  /** `ns/name` or `ns/name:portname`: how upstream prints it, in comments, hashes and logs. */
  readonly label: string;
  readonly family: IpFamily;
  readonly protocol: Protocol;
  readonly clusterIP: string;
  readonly port: number;
  /** 0 = none. */
  readonly nodePort: number;
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  readonly sourceRanges: readonly string[];
  /** 0 = none. */
  readonly affinitySeconds: number;
  readonly internalPolicyLocal: boolean;
  readonly externalPolicyLocal: boolean;
  /** 0 = no health-check server. */
  readonly healthCheckNodePort: number;
  readonly proxyProtocol: ProxyProtocol;
  /** A node port, external IP or load-balancer VIP exists in this family. */
  readonly externallyAccessible: boolean;
  /** A usable endpoint exists anywhere in the cluster: forward or DROP, never REJECT. */
  readonly hasAnyEndpoints: boolean;
  /** Endpoints for policy Cluster; sorted by `ip:port`. */
  readonly clusterEndpoints: readonly Endpoint[];
  /** Endpoints for policy Local; sorted by `ip:port`. */
  readonly localEndpoints: readonly Endpoint[];
  /** Union of the two lists; sorted by `ip:port`. */
  readonly reachableEndpoints: readonly Endpoint[];
  /** Every serving endpoint whatever policy or topology say: flows to these may live on in conntrack. */
  readonly servingEndpoints: readonly Endpoint[];
  /** Distinct addresses of ready endpoints on this node, for the health-check server's count. */
  readonly localReadyIPs: readonly string[];
  /** Number of endpoints listed for this port, usable or not (large-cluster decision). */
  readonly listedEndpoints: number;
}
