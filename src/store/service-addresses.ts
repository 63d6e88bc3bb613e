/** The addresses of a Service, sorted out by family. */
import { canonicalCidr, canonicalIp, familyOf } from "../model/address.ts";
import type { IpFamily, PerFamily } from "../model/types.ts";
import { type Json, listOf, objectOrEmpty } from "./json.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";
import { specialAddress } from "./special-address.ts";

/** Most Services have no list of this kind; they share one. */
const NONE: PerFamily<readonly string[]> = { IPv4: [], IPv6: [] };

/** Splits canonical addresses or CIDRs by family, each once, in the order given. */
function byFamily(canonical: ReadonlySet<string>): PerFamily<readonly string[]> {
  if (canonical.size === 0) return NONE;
  const lists: Record<IpFamily, string[]> = { IPv4: [], IPv6: [] };
  for (const text of canonical) lists[familyOf(text)].push(text);
  return lists;
}

/**
 * The cluster IP of each family. Undefined means: do not proxy this Service at all. Only the scalar `clusterIP`
 * decides that; then `ipFamilies[i]` says the family of `clusterIPs[i]`, or, on objects older than dual stack, the
 * scalar speaks for itself.
 */
export function parseClusterIPs(spec: Json, problems: ProblemList): PerFamily<string> | undefined {
  const { clusterIP } = spec;
  const clusterIPs = listOf(spec.clusterIPs, "spec.clusterIPs", problems);
  if (clusterIP === "None") return undefined;
  if (clusterIP === undefined || clusterIP === null || clusterIP === "") {
    if (clusterIPs.length > 0 && clusterIPs[0] !== "None") {
      problems.add(
        "spec.clusterIP",
        clusterIP,
        "must be set with clusterIPs; Service skipped",
        INVALID_FIELD,
      );
    }
    return undefined;
  }
  const families = listOf(spec.ipFamilies, "spec.ipFamilies", problems);
  const found: Record<IpFamily, string> = { IPv4: "", IPv6: "" };
  if (families.length === 0 || clusterIPs.length === 0) {
    addClusterIP(found, clusterIP, undefined, "spec.clusterIP", problems);
  } else {
    for (const [index, family] of families.entries()) {
      if (index >= clusterIPs.length) break;
      addClusterIP(found, clusterIPs[index], family, `spec.clusterIPs[${index}]`, problems);
    }
  }
  return found.IPv4 || found.IPv6 ? found : undefined;
}

function addClusterIP(
  found: Record<IpFamily, string>,
  value: unknown,
  expected: unknown,
  field: string,
  problems: ProblemList,
): void {
  const ip = typeof value === "string" ? canonicalIp(value) : undefined;
  if (ip === undefined) {
    problems.add(field, value, "must be an IP address; not proxied", INVALID_FIELD);
  } else if (expected !== undefined && expected !== familyOf(ip)) {
    problems.add(field, value, "must be of the family in ipFamilies; not proxied", INVALID_FIELD);
  } else {
    // The first entry of a family counts.
    found[familyOf(ip)] ||= ip;
  }
}

/** Addresses that the user asks every node to take; what stays on the machine or the link is refused, as by the API server. */
export function parseExternalIPs(
  values: readonly unknown[],
  problems: ProblemList,
): PerFamily<readonly string[]> {
  const field = (index: number): string => `spec.externalIPs[${index}]`;
  return parseAddresses(values, field, problems, specialAddress);
}

/**
 * Splits a list of addresses by family; blank texts are skipped silently, others that do not parse are problems, and so are
 * those in which `special` finds something.
 */
function parseAddresses(
  values: readonly unknown[],
  fieldOf: (index: number) => string,
  problems: ProblemList,
  special: (ip: string) => string | undefined = () => undefined,
): PerFamily<readonly string[]> {
  const found = new Set<string>();
  for (const [index, value] of values.entries()) {
    if (typeof value === "string" && value.trim() === "") continue;
    const ip = typeof value === "string" ? canonicalIp(value) : undefined;
    if (ip === undefined) {
      problems.add(fieldOf(index), value, "must be an IP address; address skipped", INVALID_FIELD);
      continue;
    }
    const what = special(ip);
    if (what === undefined) found.add(ip);
    else problems.add(fieldOf(index), value, `must not be a ${what} address; address skipped`, INVALID_FIELD);
  }
  return byFamily(found);
}

/** The load balancer's addresses that the node must accept itself: ipMode unset or VIP, whatever the Service's type. */
export function parseIngress(status: unknown, problems: ProblemList): PerFamily<readonly string[]> {
  const field = "status.loadBalancer.ingress";
  const { ingress } = objectOrEmpty(objectOrEmpty(status).loadBalancer);
  const addresses = listOf(ingress, field, problems).map((entry) => {
    const { ip, ipMode } = objectOrEmpty(entry);
    return ipMode === undefined || ipMode === null || ipMode === "VIP" ? (ip ?? "") : "";
  });
  return parseAddresses(addresses, (i) => `${field}[${i}].ip`, problems);
}

/** Blanks around a range are admitted because API validation wrongly admits them. */
export function parseSourceRanges(value: unknown, problems: ProblemList): PerFamily<readonly string[]> {
  const field = "spec.loadBalancerSourceRanges";
  const found = new Set<string>();
  for (const [index, range] of listOf(value, field, problems).entries()) {
    const cidr = typeof range === "string" ? canonicalCidr(range.trim()) : undefined;
    if (cidr === undefined) {
      problems.add(`${field}[${index}]`, range, "must be a CIDR; range skipped", INVALID_FIELD);
    } else {
      found.add(cidr);
    }
  }
  return byFamily(found);
}
