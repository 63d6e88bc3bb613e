/** The cluster that the benchmark serves: objects as a real API server lists them, with all the text nobody reads. */
import type { KubeObject } from "../support/api-server/store.ts";
import type { ClusterSize } from "./options.ts";

export const NAMESPACE = "bench";
export const SERVICE_PORT = 80;
/** The port on which the pods answer. */
export const POD_PORT = 8080;
/** All pods' addresses; one namespace answers for every one of them. */
export const POD_NETWORK = "10.128.0.0/9";
export const SERVICE_NETWORK = "172.20.0.0/14";
/** Where the proxy believes pods to be: those above, and the client, whose packets thus keep their source. */
export const CLUSTER_CIDR = "10.0.0.0/8";

export const NODE_NAME = "node";
export const NODE_ADDRESS = "192.0.2.1";

const FIRST_POD = 0x0a800100;
const FIRST_CLUSTER_IP = 0xac140100;
const NODES = 100;

/** One Service and its present endpoints. */
export interface BenchService {
  readonly index: number;
  readonly clusterIP: string;
  readonly endpoints: readonly string[];
}

/** Hands out Services and endpoint addresses, none of them twice. */
export class Cluster {
  readonly #services: BenchService[] = [];
  #pods = 0;
  readonly #endpointsPerService: number;

  constructor({ services, endpointsPerService }: ClusterSize) {
    this.#endpointsPerService = endpointsPerService;
    for (let i = 0; i < services; i++) this.addService();
  }

  get services(): readonly BenchService[] {
    return this.#services;
  }

  addService(): BenchService {
    const index = this.#services.length;
    const endpoints = Array.from({ length: this.#endpointsPerService }, () => this.#newPod());
    const service = { index, clusterIP: ipText(FIRST_CLUSTER_IP + index), endpoints };
    this.#services.push(service);
    return service;
  }

  /** Takes the last Service away. */
  removeService(): BenchService {
    const service = this.#services.pop();
    if (service === undefined) throw new RangeError("the cluster is empty");
    return service;
  }

  /** A pod dies and another takes its place: the Service with its new endpoints, and the newcomer's address. */
  replaceEndpoint(index: number, slot: number): { service: BenchService; newcomer: string } {
    const before = this.#services[index];
    if (before === undefined) throw new RangeError(`there is no Service ${index}`);
    const newcomer = this.#newPod();
    const service = { ...before, endpoints: before.endpoints.with(slot, newcomer) };
    this.#services[index] = service;
    return { service, newcomer };
  }

  #newPod(): string {
    return ipText(FIRST_POD + this.#pods++);
  }
}

/** The name sorts as the number does, so that the last Service is also the last of a list. */
export function nameOf(index: number): string {
  return `service-${String(index).padStart(5, "0")}`;
}

/** The node that the proxy runs on. */
export function nodeObject(): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: NODE_NAME },
    status: { addresses: [{ type: "InternalIP", address: NODE_ADDRESS }] },
  };
}

export function serviceObject({ index, clusterIP }: BenchService): KubeObject {
  const name = nameOf(index);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace: NAMESPACE,
      uid: uid("5e41", index),
      creationTimestamp: "2025-01-01T00:00:00Z",
      labels: { app: name, "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/part-of": "bench" },
      annotations: { "meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": NAMESPACE },
      managedFields: managedFields("v1", ["f:internalTrafficPolicy", "f:ports", "f:selector", "f:type"]),
    },
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      internalTrafficPolicy: "Cluster",
      sessionAffinity: "None",
      ports: [{ name: "http", protocol: "TCP", port: SERVICE_PORT, targetPort: POD_PORT }],
      selector: { app: name },
    },
    status: { loadBalancer: {} },
  };
}

export function sliceObject({ index, endpoints }: BenchService): KubeObject {
  const name = nameOf(index);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: sliceName(index),
      generateName: `${name}-`,
      namespace: NAMESPACE,
      uid: uid("511c", index),
      generation: 1,
      creationTimestamp: "2025-01-01T00:00:00Z",
      labels: {
        app: name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name,
      },
      annotations: { "endpoints.kubernetes.io/last-change-trigger-time": new Date().toISOString() },
      ownerReferences: [
        {
          apiVersion: "v1",
          kind: "Service",
          name,
          uid: uid("5e41", index),
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: managedFields("discovery.k8s.io/v1", ["f:addressType", "f:endpoints", "f:ports"]),
    },
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: POD_PORT }],
    endpoints: endpoints.map((ip) => endpoint(ip, name)),
  };
}

export function sliceName(index: number): string {
  return `${nameOf(index)}-x${index.toString(36)}`;
}

function endpoint(ip: string, owner: string): object {
  const number = ipNumber(ip);
  return {
    addresses: [ip],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `worker-${number % NODES}`,
    zone: `zone-${number % 3}`,
    targetRef: {
      kind: "Pod",
      namespace: NAMESPACE,
      name: `${owner}-${number.toString(36)}`,
      uid: uid("90d0", number),
    },
  };
}

function managedFields(apiVersion: string, fields: readonly string[]): object[] {
  const fieldsV1 = { "f:metadata": { "f:labels": { ".": {}, "f:app": {} } } };
  const spec = Object.fromEntries(fields.map((field) => [field, {}]));
  const time = "2025-01-01T00:00:00Z";
  return [
    {
      manager: "kube-controller-manager",
      operation: "Update",
      apiVersion,
      time,
      fieldsType: "FieldsV1",
      fieldsV1: { ...fieldsV1, ...spec },
    },
  ];
}

function uid(kind: string, number: number): string {
  return `00000000-${kind}-4000-8000-${number.toString(16).padStart(12, "0")}`;
}

function ipText(number: number): string {
  return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255].join(".");
}

function ipNumber(text: string): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
