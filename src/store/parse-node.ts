/** From this machine's Node object to what the proxy reads of it. */
import { canonicalCidr, canonicalIp } from "../model/address.ts";
import { isDnsSubdomain, isObject, type Json, listOf, objectOrEmpty } from "./json.ts";
import type { Parsed } from "./object-meta.ts";
import { ProblemList } from "./problem.ts";

/** The cluster autoscaler sets this taint on a node it is about to remove; load balancers should look elsewhere. */
const DELETION_TAINT = "ToBeDeletedByClusterAutoscaler";
const ZONE_LABEL = "topology.kubernetes.io/zone";

/** A Node as stored. Address lists keep the order of the object. */
export interface NodeRecord {
  readonly name: string;
  /** Label topology.kubernetes.io/zone; empty when unset. */
  readonly zone: string;
  /** Canonical status.addresses of type InternalIP. */
  readonly internalIPs: readonly string[];
  /** Canonical status.addresses of type ExternalIP. */
  readonly externalIPs: readonly string[];
  /** Canonical spec.podCIDRs (spec.podCIDR on objects older than dual stack). */
  readonly podCIDRs: readonly string[];
  /** Not being deleted and not tainted for removal by the cluster autoscaler: /healthz may say 200. */
  readonly eligible: boolean;
}

/** Parses one Node. */
export function parseNode(input: unknown): Parsed<NodeRecord> {
  const object = objectOrEmpty(input);
  const metadata = objectOrEmpty(object.metadata);
  const { name } = metadata;
  const key = typeof name === "string" ? name : "";
  const problems = new ProblemList("Node", key);
  if (!isObject(input)) {
    problems.add("", input, "must be a JSON object; Node skipped");
    return { key, problems: problems.list() };
  }
  if (!isDnsSubdomain(name)) {
    problems.add("metadata.name", name, "must be a DNS subdomain name; Node skipped");
    return { key, problems: problems.list() };
  }
  const spec = objectOrEmpty(object.spec);
  const addresses = listOf(objectOrEmpty(object.status).addresses, "status.addresses", problems);
  const zone = objectOrEmpty(metadata.labels)[ZONE_LABEL];
  const deleting = metadata.deletionTimestamp !== undefined && metadata.deletionTimestamp !== null;
  const record: NodeRecord = {
    name,
    zone: typeof zone === "string" ? zone : "",
    internalIPs: addressesOfType(addresses, "InternalIP", problems),
    externalIPs: addressesOfType(addresses, "ExternalIP", problems),
    podCIDRs: parsePodCIDRs(spec, problems),
    eligible: !deleting && !isTaintedForDeletion(spec, problems),
  };
  return { key, record, problems: problems.list() };
}

function addressesOfType(
  addresses: readonly unknown[],
  type: "InternalIP" | "ExternalIP",
  problems: ProblemList,
): readonly string[] {
  const found: string[] = [];
  for (const [index, entry] of addresses.entries()) {
    const { type: itsType, address } = objectOrEmpty(entry);
    if (itsType !== type) continue;
    const ip = typeof address === "string" ? canonicalIp(address) : undefined;
    if (ip === undefined) {
      problems.add(`status.addresses[${index}].address`, address, "must be an IP address; skipped");
    } else {
      found.push(ip);
    }
  }
  return found;
}

function parsePodCIDRs(spec: Json, problems: ProblemList): readonly string[] {
  const list = listOf(spec.podCIDRs, "spec.podCIDRs", problems);
  const single = typeof spec.podCIDR === "string" && spec.podCIDR !== "" ? [spec.podCIDR] : [];
  const found: string[] = [];
  for (const [index, value] of (list.length > 0 ? list : single).entries()) {
    const cidr = typeof value === "string" ? canonicalCidr(value) : undefined;
    if (cidr === undefined) problems.add(`spec.podCIDRs[${index}]`, value, "must be a CIDR; skipped");
    else found.push(cidr);
  }
  return found;
}

function isTaintedForDeletion(spec: Json, problems: ProblemList): boolean {
  return listOf(spec.taints, "spec.taints", problems).some(
    (taint) => objectOrEmpty(taint).key === DELETION_TAINT,
  );
}
