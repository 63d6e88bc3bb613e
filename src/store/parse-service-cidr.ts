/** From a ServiceCIDR object (networking.k8s.io) to the ranges that cluster IPs are taken from. */
import { canonicalCidr } from "../model/address.ts";
import { isDnsSubdomain, isObject, listOf, objectOrEmpty } from "./json.ts";
import type { Parsed } from "./object-meta.ts";
import { ProblemList } from "./problem.ts";

/**
 * Parses one ServiceCIDR to its canonical spec.cidrs. Conditions do not count: addresses of a range that is being
 * deleted stay in use until it is gone.
 */
export function parseServiceCIDR(input: unknown): Parsed<readonly string[]> {
  const { metadata, spec } = objectOrEmpty(input);
  const { name } = objectOrEmpty(metadata);
  const key = typeof name === "string" ? name : "";
  const problems = new ProblemList("ServiceCIDR", key);
  if (!isObject(input)) {
    problems.add("", input, "must be a JSON object; ServiceCIDR skipped");
    return { key, problems: problems.list() };
  }
  if (!isDnsSubdomain(name)) {
    problems.add("metadata.name", name, "must be a DNS subdomain name; ServiceCIDR skipped");
    return { key, problems: problems.list() };
  }
  const record: string[] = [];
  for (const [index, value] of listOf(objectOrEmpty(spec).cidrs, "spec.cidrs", problems).entries()) {
    const cidr = typeof value === "string" ? canonicalCidr(value) : undefined;
    if (cidr === undefined) problems.add(`spec.cidrs[${index}]`, value, "must be a CIDR; skipped");
    else record.push(cidr);
  }
  return { key, record, problems: problems.list() };
}
