/** Services and endpoints as the kernel has them, or is to have them: one row for each port, or endpoint of a port. */
import { joinHostPort } from "../model/address.ts";
import { collectCandidates } from "../model/endpoints.ts";
import {
  type Endpoint,
  IP_FAMILIES,
  type IpFamily,
  type ServiceKey,
  type ServicePort,
  type ServiceRecord,
} from "../model/types.ts";
import { type FamilyView, nodeOf, type ProxyView } from "./proxy-view.ts";
import type {
  EndpointRow,
  ProgrammedState,
  ServiceFilter,
  ServiceInFamily,
  ServiceRow,
  TrafficPolicy,
} from "./report.ts";

type RowView = Pick<ProxyView, "store" | "families" | "notServed" | "nodeName">;

/** Rows by namespace and name, each made when it is asked for: what changes meanwhile may be in or out. */
export function* serviceRows(view: RowView, filter: ServiceFilter): Generator<ServiceRow> {
  for (const key of keysOf(view, filter)) {
    const service = view.store.service(key);
    if (service === undefined) yield removedRow(key, view.families());
    else yield* rowsOfService(service, view);
  }
}

/** The endpoints of every port in every family that is served, those that get no traffic included. */
export function* endpointRows(view: RowView, filter: ServiceFilter): Generator<EndpointRow> {
  for (const key of keysOf(view, filter)) {
    const service = view.store.service(key);
    if (service === undefined) continue;
    for (const family of view.families()) yield* rowsOfEndpoints(service, family, view);
  }
}

/** Services that are known, and those that are gone but still pending. */
function keysOf(view: RowView, { namespace, name }: ServiceFilter): readonly ServiceKey[] {
  const wanted = (key: ServiceKey): boolean => {
    const slash = key.indexOf("/");
    return (
      (namespace === "" || key.slice(0, slash) === namespace) &&
      (name === "" || key.slice(slash + 1) === name)
    );
  };
  const keys = new Set([...view.store.serviceKeys()].filter(wanted));
  for (const { loop } of view.families()) {
    // What was never programmed need not be removed.
    if (loop.history.lastSync === undefined) continue;
    for (const key of loop.pendingKeys()) if (wanted(key)) keys.add(key);
  }
  return [...keys].sort();
}

function removedRow(key: ServiceKey, families: readonly FamilyView[]): ServiceRow {
  const [namespace = "", name = ""] = key.split("/");
  const removing = families.filter(({ loop }) => loop.progressOf(key) === "pending");
  return {
    namespace,
    name,
    clusterIPs: [],
    externalIPs: [],
    loadBalancerIPs: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    sessionAffinitySeconds: 0,
    healthCheckNodePort: 0,
    families: removing.map(({ family }) => ({
      family,
      state: "removing",
      reason: "",
      usedEndpoints: 0,
      listedEndpoints: 0,
    })),
  };
}

function rowsOfService(service: ServiceRecord, view: RowView): readonly ServiceRow[] {
  const families = IP_FAMILIES.filter((family) => service.clusterIP[family] !== "");
  const resolved = new Map(view.families().map((each) => [each.family, each.resolve(service.key)]));
  const inFamilies = <T>(values: Readonly<Record<IpFamily, readonly T[]>>): readonly T[] =>
    families.flatMap((family) => values[family]);
  return service.ports.map((port, index) => ({
    namespace: service.namespace,
    name: service.name,
    port,
    clusterIPs: families.map((family) => service.clusterIP[family]),
    externalIPs: inFamilies(service.externalIPs),
    loadBalancerIPs: inFamilies(service.loadBalancerIPs),
    loadBalancerSourceRanges: inFamilies(service.sourceRanges),
    internalTrafficPolicy: policy(service.internalPolicyLocal),
    externalTrafficPolicy: policy(service.externalPolicyLocal),
    sessionAffinitySeconds: service.affinitySeconds,
    healthCheckNodePort: service.healthCheckNodePort,
    families: families.map((family) => inFamily(service.key, family, resolved.get(family)?.[index], view)),
  }));
}

function inFamily(
  key: ServiceKey,
  family: IpFamily,
  port: ServicePort | undefined,
  view: RowView,
): ServiceInFamily {
  const { state, reason } = stateOf(key, family, view);
  return {
    family,
    state,
    reason,
    usedEndpoints: port?.reachableEndpoints.length ?? 0,
    listedEndpoints: port?.listedEndpoints ?? 0,
  };
}

function stateOf(
  key: ServiceKey,
  family: IpFamily,
  view: RowView,
): { readonly state: ProgrammedState; readonly reason: string } {
  const loop = view.families().find((each) => each.family === family)?.loop;
  if (loop === undefined) return { state: "not served", reason: view.notServed().get(family) ?? "" };
  const state = loop.progressOf(key);
  return { state, reason: state === "refused" ? (loop.history.refused.get(key) ?? "") : "" };
}

function rowsOfEndpoints(
  service: ServiceRecord,
  { family, resolve }: FamilyView,
  view: RowView,
): EndpointRow[] {
  const resolved = resolve(service.key);
  if (resolved.length === 0) return [];
  const slices = view.store.slices(service.key, family);
  const { state } = stateOf(service.key, family, view);
  const node = nodeOf(view);
  return service.ports.flatMap((port, index) => {
    const usedBy = usersOf(resolved[index]);
    return collectCandidates(slices, port.name, port.protocol, node).map(
      ({ key, endpoint, record }): EndpointRow => ({
        namespace: service.namespace,
        name: service.name,
        portName: port.name,
        protocol: port.protocol,
        family,
        ip: endpoint.ip,
        port: endpoint.port,
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
        isLocal: endpoint.isLocal,
        nodeName: record.nodeName,
        forZones: record.zones ?? [],
        usedBy: usedBy(key),
        state,
      }),
    );
  });
}

/** Tells by which policies an endpoint (`ip:port`) gets new connections of a port. */
function usersOf(port: ServicePort | undefined): (endpoint: string) => readonly TrafficPolicy[] {
  const keys = (endpoints: readonly Endpoint[] = []): ReadonlySet<string> =>
    new Set(endpoints.map(({ ip, port: number }) => joinHostPort(ip, number)));
  const lists = { Cluster: keys(port?.clusterEndpoints), Local: keys(port?.localEndpoints) } as const;
  return (endpoint) => (["Cluster", "Local"] as const).filter((name) => lists[name].has(endpoint));
}

function policy(local: boolean): TrafficPolicy {
  return local ? "Local" : "Cluster";
}

/** Counts for a family what the store has, without resolving it. */
export function countObjects(
  store: RowView["store"],
  family: IpFamily,
): { services: number; ports: number; endpoints: number } {
  const counts = { services: 0, ports: 0, endpoints: 0 };
  for (const key of store.serviceKeys()) {
    const service = store.service(key);
    if (service === undefined || service.clusterIP[family] === "") continue;
    counts.services++;
    counts.ports += service.ports.length;
    for (const slice of store.slices(key, family)) counts.endpoints += slice.endpoints.length;
  }
  return counts;
}
