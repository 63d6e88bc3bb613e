/** From a Service as the API serves it to the record the proxy keeps. */
import type { ServiceRecord } from "../model/types.ts";
import { isInteger, type Json, listOf, objectOrEmpty } from "./json.ts";
import { OTHER_PROXY_LABEL, type Parsed, parseMeta } from "./object-meta.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";
import { parseProxyProtocol } from "./proxy-protocol.ts";
import { parseClusterIPs, parseExternalIPs, parseIngress, parseSourceRanges } from "./service-addresses.ts";
import { parseServicePorts } from "./service-ports.ts";

/** Seconds of ClientIP affinity when the Service names none: the API's default. */
const DEFAULT_AFFINITY_SECONDS = 10_800;
/** The longest affinity the API admits: a day. */
const MAX_AFFINITY_SECONDS = 86_400;

/** Parses one Service. No record and no problem: a Service that is not ours to proxy (headless, ExternalName, …). */
export function parseService(input: unknown): Parsed<ServiceRecord> {
  const meta = parseMeta("Service", input);
  if (!("object" in meta)) return meta;
  const { key, namespace, name, problems } = meta;
  problems.serviceKey = key;
  const spec = objectOrEmpty(meta.object.spec);
  if (OTHER_PROXY_LABEL in meta.labels || spec.type === "ExternalName") return { key, problems: [] };

  const clusterIP = parseClusterIPs(spec, problems);
  if (!clusterIP) return { key, problems: problems.list() };

  const type = parseType(spec.type, problems);
  const externalIPs = listOf(spec.externalIPs, "spec.externalIPs", problems);
  // A policy left over from another type means nothing on a Service that is only reachable by its cluster IP.
  const honoursExternalPolicy = type !== "ClusterIP" || externalIPs.length > 0;
  const externalPolicyLocal =
    parsePolicy(spec.externalTrafficPolicy, "spec.externalTrafficPolicy", problems) && honoursExternalPolicy;
  const record: ServiceRecord = {
    key,
    namespace,
    name,
    uid: parseUid(meta.metadata.uid),
    type,
    clusterIP,
    ports: parseServicePorts(spec.ports, problems),
    externalIPs: parseExternalIPs(externalIPs, problems),
    loadBalancerIPs: parseIngress(meta.object.status, problems),
    sourceRanges: parseSourceRanges(spec.loadBalancerSourceRanges, problems),
    affinitySeconds: parseAffinity(spec, problems),
    externalPolicyLocal,
    internalPolicyLocal: parsePolicy(spec.internalTrafficPolicy, "spec.internalTrafficPolicy", problems),
    healthCheckNodePort:
      type === "LoadBalancer" && externalPolicyLocal
        ? parseHealthCheckNodePort(spec.healthCheckNodePort, problems)
        : 0,
    proxyProtocol: parseProxyProtocol(meta.metadata, problems),
  };
  return { key, record, problems: problems.list() };
}

/** A uid is only quoted back in events; one that looks odd is not quoted. */
function parseUid(uid: unknown): string {
  return typeof uid === "string" && /^[A-Za-z0-9-]{1,64}$/.test(uid) ? uid : "";
}

function parseType(value: unknown, problems: ProblemList): ServiceRecord["type"] {
  switch (value) {
    case "NodePort":
    case "LoadBalancer":
    case "ClusterIP":
      return value;
    case undefined:
    case null:
    case "":
      return "ClusterIP";
    default:
      problems.add("spec.type", value, "must be a Service type; taken as ClusterIP", INVALID_FIELD);
      return "ClusterIP";
  }
}

/** Whether a traffic policy is Local. */
function parsePolicy(value: unknown, field: string, problems: ProblemList): boolean {
  if (value !== undefined && value !== null && value !== "" && value !== "Cluster" && value !== "Local") {
    problems.add(field, value, "must be Cluster or Local; taken as Cluster", INVALID_FIELD);
  }
  return value === "Local";
}

/** Seconds of ClientIP affinity; 0 = none. */
function parseAffinity(spec: Json, problems: ProblemList): number {
  const { sessionAffinity } = spec;
  if (sessionAffinity !== "ClientIP") {
    const isUnset = sessionAffinity === undefined || sessionAffinity === null || sessionAffinity === "";
    if (!isUnset && sessionAffinity !== "None") {
      problems.add(
        "spec.sessionAffinity",
        sessionAffinity,
        "must be None or ClientIP; ignored",
        INVALID_FIELD,
      );
    }
    return 0;
  }
  const { timeoutSeconds } = objectOrEmpty(objectOrEmpty(spec.sessionAffinityConfig).clientIP);
  if (timeoutSeconds === undefined || timeoutSeconds === null) return DEFAULT_AFFINITY_SECONDS;
  if (isInteger(timeoutSeconds, 1, MAX_AFFINITY_SECONDS)) return timeoutSeconds;
  problems.add(
    "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
    timeoutSeconds,
    `must be an integer from 1 to ${MAX_AFFINITY_SECONDS}; ${DEFAULT_AFFINITY_SECONDS} used`,
    INVALID_FIELD,
  );
  return DEFAULT_AFFINITY_SECONDS;
}

function parseHealthCheckNodePort(value: unknown, problems: ProblemList): number {
  if (isInteger(value, 1, 65535)) return value;
  const why = "must be an integer from 1 to 65535; no health-check server for this Service";
  problems.add("spec.healthCheckNodePort", value, why, INVALID_FIELD);
  return 0;
}
