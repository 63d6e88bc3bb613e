/** From an EndpointSlice (discovery v1 or v1beta1) to the record the proxy keeps. */
import type { EndpointRecord, IpFamily, SliceRecord } from "../model/types.ts";
import { isDnsSubdomain, isObject, type Json, listOf, objectOrEmpty } from "./json.ts";
import { HEADLESS_LABEL, type Parsed, parseMeta } from "./object-meta.ts";
import { parseEndpoint } from "./parse-endpoint.ts";
import { checkPortName, checkPortNumber, parseProtocol } from "./parse-port.ts";
import type { ProblemList } from "./problem.ts";
import { parseRfc3339 } from "./rfc3339.ts";
import type { StringPool } from "./string-pool.ts";

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const TRIGGER_TIME_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time";

/** Parses one EndpointSlice. No record and no problem: a slice that is not ours (headless, another proxy's). */
export function parseSlice(input: unknown, pool: StringPool): Parsed<SliceRecord> {
  const meta = parseMeta("EndpointSlice", input);
  if (!("object" in meta)) return meta;
  const { object, key, namespace, labels, problems } = meta;
  if (HEADLESS_LABEL in labels) return { key, problems: [] };

  const serviceName = labels[SERVICE_NAME_LABEL];
  if (!isDnsSubdomain(serviceName)) {
    problems.add(
      `metadata.labels["${SERVICE_NAME_LABEL}"]`,
      serviceName,
      "must name a Service; slice skipped",
    );
    return { key, problems: problems.list() };
  }
  const serviceKey = `${namespace}/${serviceName}`;
  problems.serviceKey = serviceKey;
  const family = parseAddressType(object.addressType, problems);
  if (!family) return { key, problems: problems.list() };

  const context = { family, pool, problems };
  const endpoints: EndpointRecord[] = [];
  for (const [index, endpoint] of listOf(object.endpoints, "endpoints", problems).entries()) {
    const record = parseEndpoint(endpoint, index, context);
    if (record) endpoints.push(record);
  }
  const record: SliceRecord = {
    key,
    serviceKey,
    family,
    ports: parseSlicePorts(object.ports, problems),
    // Copies have room for nothing more; a list that was pushed to keeps spare room for as long as it lives.
    endpoints: endpoints.slice(),
    ...parseTriggerTime(meta.metadata),
  };
  return { key, record, problems: problems.list() };
}

function parseAddressType(value: unknown, problems: ProblemList): IpFamily | undefined {
  if (value === "IPv4" || value === "IPv6") return value;
  problems.add("addressType", value, "must be IPv4 or IPv6; slice skipped");
  return undefined;
}

/** The time of the change that led to this version of the object, if it carries a valid one. */
export function parseTriggerTime(metadata: Json): { triggerTimeMs?: number } {
  const text = objectOrEmpty(metadata.annotations)[TRIGGER_TIME_ANNOTATION];
  const triggerTimeMs = typeof text === "string" ? parseRfc3339(text) : undefined;
  return triggerTimeMs === undefined ? {} : { triggerTimeMs };
}

/** A port without a name or a number is legal in the API but means nothing to a proxy; it is reported and skipped. */
function parseSlicePorts(value: unknown, problems: ProblemList): SliceRecord["ports"] {
  const ports: SliceRecord["ports"][number][] = [];
  for (const [index, port] of listOf(value, "ports", problems).entries()) {
    const record = parseEndpointPort(port, `ports[${index}]`, problems);
    if (record) ports.push(record);
  }
  return ports.slice();
}

/** One port of a slice or of an Endpoints subset: name (required), protocol, number. */
export function parseEndpointPort(
  input: unknown,
  field: string,
  problems: ProblemList,
): SliceRecord["ports"][number] | undefined {
  if (!isObject(input)) {
    problems.add(field, input, "must be an object; port skipped");
    return undefined;
  }
  const { name, port } = input;
  if (!checkPortName(name, `${field}.name`, problems)) return undefined;
  const protocol = parseProtocol(input.protocol, `${field}.protocol`, problems);
  if (!protocol || !checkPortNumber(port, `${field}.port`, problems)) return undefined;
  return { name, protocol, port };
}
