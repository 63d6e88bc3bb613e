/** From the parsed documents of a manifest file to the objects that the proxy takes from it. Pure. */

/** The kinds read from a manifest folder, and the API versions under which they count. */
const API_VERSIONS = {
  Service: ["v1"],
  EndpointSlice: ["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"],
  Endpoints: ["v1"],
  ServiceCIDR: ["networking.k8s.io/v1", "networking.k8s.io/v1beta1"],
} as const satisfies Record<string, readonly string[]>;

export type ManifestKind = keyof typeof API_VERSIONS;

export const MANIFEST_KINDS = Object.keys(API_VERSIONS) as readonly ManifestKind[];

/** One top-level document as parsed, and the line on which it starts when the format tells. */
export interface ManifestDocument {
  readonly value: unknown;
  readonly line?: number;
}

/** An object for the sink; `key` is `namespace/name`, or the name of an object without namespace. */
export interface ManifestObject {
  readonly kind: ManifestKind;
  readonly key: string;
  readonly value: object;
}

export interface ManifestContent {
  /** In file order; the same object may appear twice. */
  readonly objects: readonly ManifestObject[];
  /** What the proxy has no use for, as `apiVersion kind`, each once. */
  readonly ignored: readonly string[];
}

/** A manifest file that cannot be used. The message is the cause alone; the line is counted from 1. */
export class ManifestError extends Error {
  readonly code = "ManifestInvalid";
  readonly line: number | undefined;
  constructor(message: string, line?: number, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ManifestError";
    this.line = line;
  }
}

/**
 * Collects the objects of known kinds in a file, those inside lists included, and writes the namespace `default` into
 * the ones that should have one. Throws a ManifestError when something is not a Kubernetes object at all.
 */
export function collectObjects(documents: readonly ManifestDocument[]): ManifestContent {
  const objects: ManifestObject[] = [];
  const ignored = new Set<string>();
  for (const { value, line } of documents) {
    if (value === null || value === undefined) continue;
    try {
      collect(value, "the document", undefined, objects, ignored);
    } catch (error) {
      if (error instanceof ManifestError) throw new ManifestError(error.message, line);
      throw error;
    }
  }
  return { objects, ignored: [...ignored] };
}

interface TypeMeta {
  readonly apiVersion: string | undefined;
  readonly kind: string;
}

function collect(
  value: unknown,
  where: string,
  inherited: TypeMeta | undefined,
  objects: ManifestObject[],
  ignored: Set<string>,
): void {
  if (!isObject(value)) throw new ManifestError(`${where} must be an object, not ${typeName(value)}`);
  const kind = value.kind ?? inherited?.kind;
  const apiVersion = value.apiVersion ?? inherited?.apiVersion;
  if (typeof kind !== "string" || kind === "") throw new ManifestError(`${where} has no kind`);
  if (apiVersion !== undefined && typeof apiVersion !== "string") {
    throw new ManifestError(`${where}: apiVersion must be a string, not ${typeName(apiVersion)}`);
  }
  if (kind === "List" || (kind.endsWith("List") && "items" in value)) {
    const itemKind = kind.slice(0, -"List".length);
    const itemMeta = itemKind === "" ? undefined : { apiVersion, kind: itemKind };
    for (const [index, item] of itemsOf(value, where).entries()) {
      collect(item, `items[${index}]`, itemMeta, objects, ignored);
    }
  } else if (isManifestKind(kind) && isKnownVersion(kind, apiVersion)) {
    objects.push({ kind, key: identify(kind, value, `${where} (${kind})`), value });
  } else {
    ignored.add(`${apiVersion ?? "(no apiVersion)"} ${kind}`);
  }
}

function itemsOf(list: Record<string, unknown>, where: string): readonly unknown[] {
  const items = list.items ?? [];
  if (!Array.isArray(items))
    throw new ManifestError(`${where}: items must be a list, not ${typeName(items)}`);
  return items;
}

/** The key; sets the default namespace in place, the parsed object being ours alone. */
function identify(kind: ManifestKind, object: Record<string, unknown>, where: string): string {
  const metadata = object.metadata;
  if (!isObject(metadata)) throw new ManifestError(`${where} has no metadata`);
  const name = metadata.name;
  if (typeof name !== "string" || name === "") throw new ManifestError(`${where} has no metadata.name`);
  if (kind === "ServiceCIDR") return name;
  const namespace = metadata.namespace ?? "";
  if (typeof namespace !== "string") {
    throw new ManifestError(
      `${where} ${name}: metadata.namespace must be a string, not ${typeName(namespace)}`,
    );
  }
  if (namespace === "") metadata.namespace = "default";
  return `${namespace || "default"}/${name}`;
}

function isManifestKind(kind: string): kind is ManifestKind {
  return Object.hasOwn(API_VERSIONS, kind);
}

/** Another group's `Service` (Knative has one) is not ours; an object that does not say is taken at its kind's word. */
function isKnownVersion(kind: ManifestKind, apiVersion: string | undefined): boolean {
  const known: readonly string[] = API_VERSIONS[kind];
  return apiVersion === undefined || known.includes(apiVersion);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
