/** Builders of records for tests of the model: a plain Service and slice, and what differs. */
import { resolve } from "../../../src/model/resolve.ts";
import type {
  EndpointRecord,
  NodeContext,
  PortRecord,
  ServicePort,
  ServiceRecord,
  SliceRecord,
} from "../../../src/model/types.ts";

export const NODE: NodeContext = { name: "node-a", zone: "zone-a" };

export const NODE_PORT = 30080;

export function portRecord(fields: Partial<PortRecord> = {}): PortRecord {
  return { name: "", protocol: "TCP", port: 80, nodePort: 0, ...fields };
}

export function serviceRecord(fields: Partial<ServiceRecord> = {}): ServiceRecord {
  return {
    key: "ns/web",
    namespace: "ns",
    name: "web",
    uid: "",
    type: "ClusterIP",
    clusterIP: { IPv4: "10.96.0.1", IPv6: "" },
    ports: [portRecord()],
    externalIPs: { IPv4: [], IPv6: [] },
    loadBalancerIPs: { IPv4: [], IPv6: [] },
    sourceRanges: { IPv4: [], IPv6: [] },
    affinitySeconds: 0,
    externalPolicyLocal: false,
    internalPolicyLocal: false,
    healthCheckNodePort: 0,
    proxyProtocol: 0,
    ...fields,
  };
}

/**
 * An endpoint in short: the address, then letters. Condition: nothing = ready; `S` serving and terminating; `N` not
 * ready but serving; `T` terminating and not serving; `P` ready and terminating (publishNotReadyAddresses).
 * Place: `l` = on this node.
 */
export function endpoint(ip: string, letters = "", hints: Partial<EndpointRecord> = {}): EndpointRecord {
  const has = (letter: string): boolean => letters.includes(letter);
  return {
    ip,
    ready: !has("S") && !has("N") && !has("T"),
    serving: !has("T"),
    terminating: has("S") || has("T") || has("P"),
    nodeName: has("l") ? NODE.name : "another-node",
    ...hints,
  };
}

export function sliceRecord(
  endpoints: readonly EndpointRecord[],
  fields: Partial<SliceRecord> = {},
): SliceRecord {
  return {
    key: "ns/web-1",
    serviceKey: "ns/web",
    family: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 8080 }],
    endpoints,
    ...fields,
  };
}

/** The only port of a Service that has one. */
export function resolveOne(
  service: ServiceRecord,
  endpoints: readonly EndpointRecord[],
  node: NodeContext = NODE,
  preferSameNode = true,
): ServicePort {
  const [port, ...more] = resolve(service, [sliceRecord(endpoints)], node, "IPv4", { preferSameNode });
  if (!port || more.length > 0) throw new Error("expected exactly one service port");
  return port;
}

/** The last octets of a list of endpoints. */
export function octets(endpoints: readonly { ip: string }[]): string {
  return endpoints.map(({ ip }) => ip.split(".")[3]).join(" ");
}
