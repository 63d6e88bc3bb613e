/** From what the cluster says about a Service to what a backend programs: every decision is taken here. */
import { collectCandidates } from "./endpoints.ts";
import { applyPolicy } from "./policy.ts";
import type {
  Endpoint,
  IpFamily,
  NodeContext,
  PortRecord,
  ServicePort,
  ServiceRecord,
  SliceRecord,
} from "./types.ts";

export interface ResolveOptions {
  /** Honour hints that name nodes (KEP-3015, `PreferSameTrafficDistribution`); default true. */
  readonly preferSameNode?: boolean;
}

/**
 * Resolves the ports of one Service in one family, in the Service's order; empty if it has no cluster IP of the
 * family. Pure; slices of other families or Services must not be passed, their order does not matter.
 */
export function resolve(
  service: ServiceRecord,
  slices: readonly SliceRecord[],
  node: NodeContext,
  family: IpFamily,
  options: ResolveOptions = {},
): readonly ServicePort[] {
  if (service.clusterIP[family] === "") return [];
  const { preferSameNode = true } = options;
  return service.ports.map((port) => resolvePort(service, port, slices, node, family, preferSameNode));
}

function resolvePort(
  service: ServiceRecord,
  port: PortRecord,
  slices: readonly SliceRecord[],
  node: NodeContext,
  family: IpFamily,
  preferSameNode: boolean,
): ServicePort {
  const { key, internalPolicyLocal, externalPolicyLocal } = service;
  const externalIPs = service.externalIPs[family];
  const loadBalancerIPs = service.loadBalancerIPs[family];
  const externallyAccessible = port.nodePort !== 0 || externalIPs.length > 0 || loadBalancerIPs.length > 0;
  const candidates = collectCandidates(slices, port.name, port.protocol, node);
  const endpoints = candidates.map(({ endpoint }) => endpoint);
  return {
    serviceKey: key,
    namespace: service.namespace,
    name: service.name,
    portName: port.name,
    label: port.name === "" ? key : `${key}:${port.name}`,
    family,
    protocol: port.protocol,
    clusterIP: service.clusterIP[family],
    port: port.port,
    nodePort: port.nodePort,
    externalIPs,
    loadBalancerIPs,
    sourceRanges: service.sourceRanges[family],
    affinitySeconds: service.affinitySeconds,
    internalPolicyLocal,
    externalPolicyLocal,
    healthCheckNodePort: service.healthCheckNodePort,
    proxyProtocol: service.proxyProtocol,
    externallyAccessible,
    ...applyPolicy(candidates, {
      internalPolicyLocal,
      externalPolicyLocal,
      externallyAccessible,
      node,
      preferSameNode,
    }),
    servingEndpoints: endpoints.filter(mayHoldFlows),
    localReadyIPs: localReadyIPs(endpoints),
    listedEndpoints: candidates.length,
  };
}

/**
 * Whether established flows to the endpoint may live on. With publishNotReadyAddresses an endpoint is ready without
 * serving: it is given new flows, so it must be allowed to keep them.
 */
function mayHoldFlows(endpoint: Endpoint): boolean {
  return endpoint.serving || endpoint.ready;
}

/** Terminating endpoints that are only used as a fallback do not count: that is how a load balancer learns to drain. */
function localReadyIPs(endpoints: readonly Endpoint[]): readonly string[] {
  const ips = endpoints.filter(({ isLocal, ready }) => isLocal && ready).map(({ ip }) => ip);
  return [...new Set(ips)];
}
