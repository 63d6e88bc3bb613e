/** The wire form of an event, within the limits that the API server enforces. */
import type { ProxyEvent } from "./recorder.ts";

// k8s.io/kubernetes pkg/apis/core/validation/events.go.
const MAX_NOTE_BYTES = 1024;
const MAX_FIELD_BYTES = 128;
// RFC 1123 subdomain.
const MAX_NAME_LENGTH = 253;

/** Namespace in which an event about an object must be created. */
export function eventNamespace({ regarding }: ProxyEvent): string {
  return regarding.namespace || "default";
}

/** A valid name that starts with the object's, as `kubectl get events` users expect; `suffix` makes it unique. */
export function eventName({ regarding }: ProxyEvent, suffix: string): string {
  const base = regarding.name
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, MAX_NAME_LENGTH - suffix.length - 1)
    // Each part between dots must begin and end with a letter or digit.
    .split(".")
    .map((label) => label.replace(/^-+|-+$/g, ""))
    .filter((label) => label !== "")
    .join(".");
  return `${base || "unnamed"}.${suffix}`;
}

/** The events.k8s.io/v1 Event to create. */
export function eventObject(event: ProxyEvent, name: string, instance: string, at: Date): object {
  const { regarding, type, reason, action, note } = event;
  const { kind, namespace, uid } = regarding;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace: eventNamespace(event) },
    eventTime: microTime(at),
    reportingController: "kube-proxy",
    reportingInstance: truncate(instance, MAX_FIELD_BYTES),
    action: truncate(action, MAX_FIELD_BYTES),
    reason: truncate(reason, MAX_FIELD_BYTES),
    type,
    note: truncate(note, MAX_NOTE_BYTES),
    regarding: {
      ...(API_VERSIONS[kind] && { apiVersion: API_VERSIONS[kind] }),
      kind,
      namespace,
      name: regarding.name,
      uid,
    },
  };
}

/** The merge patch that says an event was seen again. */
export function seriesPatch(count: number, at: Date): object {
  return { series: { count, lastObservedTime: microTime(at) } };
}

const API_VERSIONS: Readonly<Record<string, string>> = {
  Service: "v1",
  Node: "v1",
  Endpoints: "v1",
  EndpointSlice: "discovery.k8s.io/v1",
};

/** metav1.MicroTime insists on six decimals. */
function microTime(at: Date): string {
  return at.toISOString().replace("Z", "000Z");
}

/** Cuts at a character's boundary so that the UTF-8 form fits. */
function truncate(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
