/** Builders of API objects for tests of the store: plain ones, and what differs. */
import { resolve } from "../../../src/model/resolve.ts";
import type { IpFamily, NodeContext, ServicePort } from "../../../src/model/types.ts";
import type { NodeRecord } from "../../../src/store/parse-node.ts";
import type { Problem } from "../../../src/store/problem.ts";
import { Store, type StoreChange } from "../../../src/store/store.ts";

export const NODE: NodeContext = { name: "node-a", zone: "zone-a" };

type Json = Record<string, unknown>;

/** A ClusterIP Service `ns/web` with one unnamed TCP port 80; `spec`, `metadata` and `status` are merged in. */
export function service(spec: Json = {}, metadata: Json = {}, status: Json = {}): Json {
  return {
    metadata: { namespace: "ns", name: "web", uid: "u-1", ...metadata },
    spec: { type: "ClusterIP", clusterIP: "10.96.0.1", ports: [{ port: 80 }], ...spec },
    status,
  };
}

export function ingress(...entries: readonly unknown[]): Json {
  return { loadBalancer: { ingress: entries } };
}

/** A slice `ns/web-1` of Service `web` with the unnamed TCP port 8080. */
export function slice(endpoints: readonly unknown[], fields: Json = {}, metadata: Json = {}): Json {
  return {
    metadata: {
      namespace: "ns",
      name: "web-1",
      labels: { "kubernetes.io/service-name": "web" },
      ...metadata,
    },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: 8080 }],
    endpoints,
    ...fields,
  };
}

/** An endpoint of a slice; conditions as given, ready by default. */
export function endpoint(ip: string, conditions: Json = {}, fields: Json = {}): Json {
  return { addresses: [ip], conditions, nodeName: "node-b", ...fields };
}

export const DYING = { ready: false, serving: true, terminating: true };

/** A store whose reports are kept in lists. */
export function recordingStore() {
  const changes: StoreChange[] = [];
  const problems: Problem[] = [];
  const serviceCIDRs: (readonly IpFamily[])[] = [];
  const nodes: (readonly [NodeRecord | undefined, NodeRecord | undefined])[] = [];
  const store = new Store({
    nodeName: NODE.name,
    onChange: (change) => changes.push(change),
    onProblem: (problem) => problems.push(problem),
    onNode: (node, previous) => nodes.push([node, previous]),
    onServiceCIDRs: (families) => serviceCIDRs.push(families),
  });
  return { store, changes, problems, nodes, serviceCIDRs };
}

/** Resolves what the store holds for a Service. */
export function resolved(
  store: Store,
  key = "ns/web",
  family: IpFamily = "IPv4",
  node: NodeContext = NODE,
): readonly ServicePort[] {
  const record = store.service(key);
  return record ? resolve(record, store.slices(key, family), node, family) : [];
}

/** A store fed with objects, and the only port of its Service. */
export function resolveObjects(
  serviceObject: Json,
  slices: readonly Json[],
  family: IpFamily = "IPv4",
): ServicePort {
  const { store } = recordingStore();
  store.upsert("Service", serviceObject);
  for (const object of slices) store.upsert("EndpointSlice", object);
  const [port, ...more] = resolved(store, "ns/web", family);
  if (!port || more.length > 0) throw new Error("expected exactly one service port");
  return port;
}

export function ips(endpoints: readonly { ip: string }[] | undefined): readonly string[] {
  return (endpoints ?? []).map(({ ip }) => ip);
}
