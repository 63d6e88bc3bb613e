/** What is listed and watched: paths and selectors of the API. */
import type { Kind } from "./source.ts";

/** One way to get a kind from a server. */
export interface ApiResource {
  readonly kind: Kind;
  readonly path: string;
  readonly selectors: Readonly<Record<string, string>>;
  /** The proxy works without it: a server that lacks or forbids it is asked again seldom. */
  readonly optional?: true;
}

// Services that name another proxy are not ours. Controllers copy the label to slices and Endpoints, but whoever gives a
// Service back may find it there still; so it counts only where upstream of the API's time looked at it too.
const OTHER_PROXY = "!service.kubernetes.io/service-proxy-name";
const HEADLESS = "!service.kubernetes.io/headless";

/** Services, without headless ones where the server can tell them apart (1.31 and later). */
export const SERVICES: readonly ApiResource[] = [
  {
    kind: "Service",
    path: "/api/v1/services",
    selectors: { labelSelector: OTHER_PROXY, fieldSelector: "spec.clusterIP!=None" },
  },
];

/** Where a Service's endpoints are found, best first: the next is tried where the server does not have one. */
export const ENDPOINTS: readonly ApiResource[] = [
  {
    kind: "EndpointSlice",
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    selectors: { labelSelector: HEADLESS },
  },
  {
    kind: "EndpointSlice",
    path: "/apis/discovery.k8s.io/v1beta1/endpointslices",
    selectors: { labelSelector: `${HEADLESS},${OTHER_PROXY}` },
  },
  { kind: "Endpoints", path: "/api/v1/endpoints", selectors: { labelSelector: OTHER_PROXY } },
];

/** The ranges that cluster IPs are taken from: v1 since 1.33, and not at all before 1.31. */
export const SERVICE_CIDRS: readonly ApiResource[] = ["v1", "v1beta1"].map((version) => ({
  kind: "ServiceCIDR",
  path: `/apis/networking.k8s.io/${version}/servicecidrs`,
  selectors: {},
  optional: true,
}));

/** Kinds whose objects belong to no namespace. */
const CLUSTER_SCOPED: ReadonlySet<Kind> = new Set<Kind>(["Node", "ServiceCIDR"]);

/** The Node the proxy runs on. */
export function nodeResource(nodeName: string): readonly ApiResource[] {
  return [{ kind: "Node", path: "/api/v1/nodes", selectors: { fieldSelector: `metadata.name=${nodeName}` } }];
}

/** The key a sink knows an object by; undefined when it has no name. */
export function keyOf(kind: Kind, object: unknown): string | undefined {
  const metadata = (object as { metadata?: { name?: unknown; namespace?: unknown } } | null)?.metadata;
  if (typeof metadata?.name !== "string") return undefined;
  return CLUSTER_SCOPED.has(kind) ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
