/** The objects that a test API server serves to the daemon in the testbed. */
import { IP_FAMILIES, type PerFamily } from "../../../src/model/types.ts";
import type { KubeObject } from "../api-server/store.ts";
import { MEMBERS, type PodName } from "../testbed/addresses.ts";
import { serviceObjects } from "../testbed/objects.ts";

/** Name of the daemon's Node; the testbed starts it under this one. */
export const NODE_NAME = "node";

export interface NodeFields {
  readonly zone?: string;
  readonly taints?: readonly string[];
  readonly podCIDRs?: readonly string[];
  /** Default: those of the testbed's node. */
  readonly internalIPs?: readonly string[];
}

/** The Node object of the testbed's node. */
export function nodeObject({ zone, taints, podCIDRs, internalIPs }: NodeFields = {}): KubeObject {
  const addresses = internalIPs ?? IP_FAMILIES.map((family) => MEMBERS.node.address[family]);
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: NODE_NAME,
      ...(zone === undefined ? {} : { labels: { "topology.kubernetes.io/zone": zone } }),
    },
    spec: {
      ...(podCIDRs === undefined ? {} : { podCIDRs, podCIDR: podCIDRs[0] }),
      taints: taints?.map((key) => ({ key, effect: "NoSchedule", value: "1700000000" })) ?? [],
    },
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  };
}

let lastService = 0;

export interface SliceFields {
  /** When what the slices say came about. */
  readonly triggeredAt?: Date;
  /** Zones that each pod's endpoint is meant for. */
  readonly zones?: Readonly<Partial<Record<PodName, string>>>;
}

/** A dual-stack Service with a name and addresses that no other test of the process uses. */
export class TestService {
  readonly name: string;
  readonly clusterIP: PerFamily<string>;
  readonly #spec: object;

  /** `spec` holds further fields of the Service's spec. */
  constructor(spec: object = {}) {
    const number = ++lastService;
    this.name = `web-${number}`;
    this.clusterIP = { IPv4: `10.96.0.${number}`, IPv6: `fd00:10:96::${number.toString(16)}` };
    this.#spec = spec;
  }

  /** How rules name it. */
  get label(): string {
    return `test/${this.name}:http`;
  }

  /** The Service and, for each family, a slice with these pods. */
  objects(pods: readonly PodName[], { triggeredAt, zones }: SliceFields = {}): KubeObject[] {
    const [service, ...slices] = serviceObjects({
      name: this.name,
      clusterIP: this.clusterIP,
      ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080 }],
      endpoints: pods.map((pod) => ({ pod })),
      spec: this.#spec,
    }) as [KubeObject, ...KubeObject[]];
    const hinted = (endpoint: object, index: number): object => {
      const zone = zones?.[pods[index] as PodName];
      return zone === undefined ? endpoint : { ...endpoint, hints: { forZones: [{ name: zone }] } };
    };
    const annotations = triggeredAt && {
      "endpoints.kubernetes.io/last-change-trigger-time": triggeredAt.toISOString(),
    };
    const adorned = slices.map((slice) => ({
      ...slice,
      metadata: { ...slice.metadata, ...(annotations && { annotations }) },
      endpoints: (slice.endpoints as object[]).map(hinted),
    }));
    return [service, ...adorned];
  }

  /** The Service and its Endpoints (IPv4), for a server without slices. */
  legacyObjects(pods: readonly PodName[]): KubeObject[] {
    const [service] = this.objects([]) as [KubeObject];
    const addresses = pods.map((pod) => ({ ip: MEMBERS[pod].address.IPv4, nodeName: MEMBERS[pod].on }));
    const ports = [{ name: "http", port: 8080, protocol: "TCP" }];
    const endpoints = {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: service.metadata,
      subsets: [{ addresses, ports }],
    };
    return [service, endpoints];
  }
}
