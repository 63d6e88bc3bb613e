/** What the test server serves, and where. */

export type ResourceName =
  | "services"
  | "endpoints"
  | "nodes"
  | "endpointslices"
  | "events"
  | "servicecidrs"
  // What it takes to run the proxy in a cluster; kubectl applies these.
  | "serviceaccounts"
  | "configmaps"
  | "daemonsets"
  | "clusterroles"
  | "clusterrolebindings";

/** The served versions of each group that has several; other groups have v1. */
export type ServedVersions = Readonly<Record<string, readonly string[]>>;

export interface Resource {
  readonly name: ResourceName;
  readonly kind: string;
  /** "" = core. */
  readonly group: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
}

export const RESOURCES: readonly Resource[] = [
  { name: "services", kind: "Service", group: "", namespaced: true, shortNames: ["svc"] },
  { name: "endpoints", kind: "Endpoints", group: "", namespaced: true, shortNames: ["ep"] },
  { name: "nodes", kind: "Node", group: "", namespaced: false, shortNames: ["no"] },
  {
    name: "endpointslices",
    kind: "EndpointSlice",
    group: "discovery.k8s.io",
    namespaced: true,
    shortNames: [],
  },
  { name: "events", kind: "Event", group: "events.k8s.io", namespaced: true, shortNames: ["ev"] },
  {
    name: "servicecidrs",
    kind: "ServiceCIDR",
    group: "networking.k8s.io",
    namespaced: false,
    shortNames: [],
  },
  { name: "serviceaccounts", kind: "ServiceAccount", group: "", namespaced: true, shortNames: ["sa"] },
  { name: "configmaps", kind: "ConfigMap", group: "", namespaced: true, shortNames: ["cm"] },
  { name: "daemonsets", kind: "DaemonSet", group: "apps", namespaced: true, shortNames: ["ds"] },
  {
    name: "clusterroles",
    kind: "ClusterRole",
    group: "rbac.authorization.k8s.io",
    namespaced: false,
    shortNames: [],
  },
  {
    name: "clusterrolebindings",
    kind: "ClusterRoleBinding",
    group: "rbac.authorization.k8s.io",
    namespaced: false,
    shortNames: [],
  },
];

export function resourceOfKind(kind: string): Resource {
  const resource = RESOURCES.find((candidate) => candidate.kind === kind);
  if (resource === undefined) throw new RangeError(`the test API server does not serve kind ${kind}`);
  return resource;
}

/** A parsed request path. */
export interface Target {
  readonly resource: Resource;
  readonly version: string;
  /** "" = all. */
  readonly namespace: string;
  /** "" = the collection. */
  readonly name: string;
}

/** Parses `/api/v1/…` and `/apis/<group>/<version>/…`; undefined for what is not served. */
export function parsePath(path: string, served: ServedVersions): Target | undefined {
  const match =
    /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?$/.exec(
      path,
    );
  if (match?.groups === undefined) return undefined;
  const { group = "", version = "", namespace = "", plural, name = "" } = match.groups;
  const resource = RESOURCES.find((candidate) => candidate.name === plural && candidate.group === group);
  if (resource === undefined || !versionsOf(group, served).includes(version)) return undefined;
  return { resource, version, namespace, name: decodeURIComponent(name) };
}

function versionsOf(group: string, served: ServedVersions): readonly string[] {
  return served[group] ?? ["v1"];
}

/** The discovery document for a path, or undefined. */
export function discover(path: string, served: ServedVersions): object | undefined {
  const groups = [...new Set(RESOURCES.map(({ group }) => group))].filter(
    (group) => group !== "" && versionsOf(group, served).length > 0,
  );
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
  if (path === "/version") return { major: "1", minor: "33", gitVersion: "v1.33.0-test" };
  if (path === "/apis") {
    return {
      kind: "APIGroupList",
      apiVersion: "v1",
      groups: groups.map((name) => {
        const versions = versionsOf(name, served).map((version) => ({
          groupVersion: `${name}/${version}`,
          version,
        }));
        return { name, versions, preferredVersion: versions[0] };
      }),
    };
  }
  const [, group = "", version = ""] = /^\/(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path) ?? [];
  const resources = RESOURCES.filter((resource) => resource.group === group);
  if (resources.length === 0 || !versionsOf(group, served).includes(version)) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? version : `${group}/${version}`,
    resources: resources.map(({ name, kind, namespaced, shortNames }) => ({
      name,
      singularName: kind.toLowerCase(),
      namespaced,
      kind,
      shortNames,
      verbs: ["create", "get", "list", "patch", "watch"],
    })),
  };
}
