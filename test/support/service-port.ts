/** Service ports for tests of backends, built from the few facts that matter to a case. */
import { joinHostPort } from "../../src/model/address.ts";
import type { Endpoint, ServicePort } from "../../src/model/types.ts";

/** What a case says of its port; endpoints are all ready, those under `local` on this node. */
export type ServicePortSpec = Partial<
  Pick<
    ServicePort,
    | "portName"
    | "family"
    | "protocol"
    | "clusterIP"
    | "port"
    | "nodePort"
    | "externalIPs"
    | "loadBalancerIPs"
    | "sourceRanges"
    | "affinitySeconds"
    | "internalPolicyLocal"
    | "externalPolicyLocal"
    | "healthCheckNodePort"
    | "proxyProtocol"
  >
> & {
  /** `namespace/name`. */
  readonly key?: string;
  /** Addresses of endpoints on this node. */
  readonly local?: readonly string[];
  /** Addresses of endpoints on other nodes. */
  readonly remote?: readonly string[];
};

/** Builds a service port as the model would resolve it, by default `ns1/svc1:p80` without endpoints. */
export function servicePort(spec: ServicePortSpec = {}): ServicePort {
  const { key = "ns1/svc1", portName = "p80", local = [], remote = [], ...rest } = spec;
  const [namespace = "", name = ""] = key.split("/");
  const { internalPolicyLocal = false, externalPolicyLocal = false } = spec;
  const externallyAccessible = Boolean(
    spec.nodePort || spec.externalIPs?.length || spec.loadBalancerIPs?.length,
  );
  const endpoints = [
    ...local.map((ip) => readyEndpoint(ip, true)),
    ...remote.map((ip) => readyEndpoint(ip, false)),
  ].sort(byAddress);
  const onNode = endpoints.filter(({ isLocal }) => isLocal);
  const usesCluster = !internalPolicyLocal || externallyAccessible;
  const usesLocal = internalPolicyLocal || (externalPolicyLocal && externallyAccessible);
  return {
    serviceKey: key,
    namespace,
    name,
    portName,
    label: portName === "" ? key : `${key}:${portName}`,
    family: "IPv4",
    protocol: "TCP",
    clusterIP: spec.family === "IPv6" ? "fd00:172:30::41" : "172.30.0.41",
    port: 80,
    nodePort: 0,
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    affinitySeconds: 0,
    healthCheckNodePort: 0,
    proxyProtocol: 0,
    ...rest,
    internalPolicyLocal,
    externalPolicyLocal,
    externallyAccessible,
    hasAnyEndpoints: endpoints.length > 0,
    clusterEndpoints: usesCluster ? endpoints : [],
    localEndpoints: usesLocal ? onNode : [],
    reachableEndpoints: usesCluster ? endpoints : onNode,
    servingEndpoints: endpoints,
    localReadyIPs: onNode.map(({ ip }) => ip),
    listedEndpoints: endpoints.length,
  };
}

/** An endpoint on port 80. */
export function readyEndpoint(ip: string, isLocal: boolean): Endpoint {
  return { ip, port: 80, isLocal, ready: true, serving: true, terminating: false };
}

function byAddress(a: Endpoint, b: Endpoint): number {
  const [left, right] = [joinHostPort(a.ip, a.port), joinHostPort(b.ip, b.port)];
  return left < right ? -1 : Number(left > right);
}
