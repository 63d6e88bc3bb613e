/** What the manifests for a cluster hold. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { V1ClusterRole, V1ConfigMap, V1DaemonSet } from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";
import type { ApiServer } from "./api-server/api-server.ts";
import { RESOURCES } from "./api-server/resources.ts";

const MANIFESTS = fileURLToPath(new URL("../../manifests", import.meta.url));

/** A folder of manifests/ that makes a DaemonSet. */
export type Deployment = "kube-proxy" | "kubeadm";

interface Kinds {
  readonly ClusterRole: V1ClusterRole;
  readonly ConfigMap: V1ConfigMap;
  readonly DaemonSet: V1DaemonSet;
}

export function filesOf(deployment: Deployment): readonly string[] {
  return readdirSync(join(MANIFESTS, deployment)).map((name) => join(MANIFESTS, deployment, name));
}

/** All objects, in the order of files and documents. Throws for what is not YAML. */
export function objectsOf(deployment: Deployment): readonly { readonly kind: string }[] {
  return filesOf(deployment).flatMap((path) =>
    parseAllDocuments(readFileSync(path, "utf8"), { strict: true, uniqueKeys: true }).map((document) => {
      if ("errors" in document && document.errors.length > 0) throw document.errors[0];
      return document.toJS() as { kind: string };
    }),
  );
}

/** The only object of its kind. */
export function objectOf<K extends keyof Kinds>(deployment: Deployment, kind: K): Kinds[K] {
  const objects = objectsOf(deployment).filter((object) => object.kind === kind);
  if (objects.length !== 1) throw new Error(`${deployment} has ${objects.length} of ${kind}`);
  return objects[0] as unknown as Kinds[K];
}

/** What the role allows, each as `verb resource.group`, sorted. */
export function grantedRequests(deployment: Deployment): readonly string[] {
  const rules = objectOf(deployment, "ClusterRole").rules ?? [];
  const requests = rules.flatMap(({ verbs, resources = [], apiGroups = [] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}.${group}`)),
    ),
  );
  return requests.sort();
}

/** What the server was asked for, in the same form, one for each request. */
export function requestsTo(server: ApiServer): readonly string[] {
  return server.requests.map(({ verb, resource }) => {
    const { group = "" } = RESOURCES.find(({ name }) => name === resource) ?? {};
    return `${verb} ${resource}.${group}`;
  });
}
