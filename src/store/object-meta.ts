/** Identity and labels: what every parser needs of an object before it looks at the rest. */
import type { Kind } from "../watch/source.ts";
import { isDnsLabel, isDnsSubdomain, isObject, type Json, objectOrEmpty } from "./json.ts";
import { type Problem, ProblemList } from "./problem.ts";

/** What a parser makes of an object: its key (empty if it has none), a record if it can be used, and what is wrong. */
export interface Parsed<T> {
  readonly key: string;
  readonly record?: T;
  readonly problems: readonly Problem[];
}

/** An object with a valid identity. */
export interface ObjectMeta {
  readonly object: Json;
  readonly metadata: Json;
  readonly labels: Json;
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly problems: ProblemList;
}

/** The identity of a namespaced object, or the finished verdict that it cannot be used. */
export function parseMeta(kind: Kind, object: unknown): ObjectMeta | Parsed<never> {
  const metadata = objectOrEmpty(objectOrEmpty(object).metadata);
  const { namespace, name } = metadata;
  const key = typeof namespace === "string" && typeof name === "string" ? `${namespace}/${name}` : "";
  const problems = new ProblemList(kind, key);
  if (!isObject(object)) {
    problems.add("", object, `must be a JSON object; ${kind} skipped`);
  } else if (!isDnsLabel(namespace)) {
    problems.add("metadata.namespace", namespace, `must be a DNS label; ${kind} skipped`);
  } else if (!isDnsSubdomain(name)) {
    problems.add("metadata.name", name, `must be a DNS subdomain name; ${kind} skipped`);
  } else {
    const labels = objectOrEmpty(metadata.labels);
    return { object, metadata, labels, namespace, name, key, problems };
  }
  return { key, problems: problems.list() };
}

/** Gives a Service to another proxy. Presence counts, whatever the value; API sources filter the same by selector. */
export const OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name";

/** Marks endpoints of a headless Service. The same holds for it. */
export const HEADLESS_LABEL = "service.kubernetes.io/headless";
