/** One endpoint of an EndpointSlice; called once per endpoint of the cluster. */
import { canonicalIp, familyOf } from "../model/address.ts";
import type { EndpointRecord, IpFamily } from "../model/types.ts";
import { isObject, type Json, objectOrEmpty } from "./json.ts";
import { INCORRECT_IP_VERSION, INVALID_FIELD, type ProblemList } from "./problem.ts";
import { specialAddress } from "./special-address.ts";
import type { StringPool } from "./string-pool.ts";

/** What the endpoints of one object share while it is parsed. */
export interface EndpointContext {
  readonly family: IpFamily;
  readonly pool: StringPool;
  readonly problems: ProblemList;
}

/** Parses `endpoints[index]`; undefined, with a problem, if it cannot be used. */
export function parseEndpoint(
  input: unknown,
  index: number,
  context: EndpointContext,
): EndpointRecord | undefined {
  const { problems, pool } = context;
  if (!isObject(input)) {
    problems.add(`endpoints[${index}]`, input, "must be an object; endpoint skipped", INVALID_FIELD);
    return undefined;
  }
  const ip = parseFirstAddress(input, index, context);
  if (ip === undefined) return undefined;
  const conditions = objectOrEmpty(input.conditions);
  const ready = parseCondition(conditions, "ready", true, index, problems);
  const serving = parseCondition(conditions, "serving", true, index, problems);
  const terminating = parseCondition(conditions, "terminating", false, index, problems);
  if (ready === undefined || serving === undefined || terminating === undefined) return undefined;
  const nodeName = parseNodeName(input, pool);
  if (!isObject(input.hints)) return { ip, ready, serving, terminating, nodeName };
  const zones = parseHints(input.hints.forZones, pool);
  const nodes = parseHints(input.hints.forNodes, pool);
  return {
    ip,
    ready,
    serving,
    terminating,
    nodeName,
    ...(zones ? { zones } : {}),
    ...(nodes ? { nodes } : {}),
  };
}

/** Only the first address counts: the API never gave the others a meaning. */
function parseFirstAddress(endpoint: Json, index: number, context: EndpointContext): string | undefined {
  const { addresses } = endpoint;
  const address: unknown = Array.isArray(addresses) ? addresses[0] : undefined;
  const ip = typeof address === "string" ? canonicalIp(address) : undefined;
  const field = `endpoints[${index}].addresses[0]`;
  if (ip === undefined || familyOf(ip) !== context.family) {
    const reason = ip === undefined ? INVALID_FIELD : INCORRECT_IP_VERSION;
    const why = `must be an ${context.family} address; endpoint skipped`;
    context.problems.add(field, address, why, reason);
    return undefined;
  }
  const special = specialAddress(ip);
  if (special === undefined) return ip;
  context.problems.add(field, address, `must not be a ${special} address; endpoint skipped`, INVALID_FIELD);
  return undefined;
}

/** A condition that is unset has its default, whatever the other conditions say. */
function parseCondition(
  conditions: Json,
  name: "ready" | "serving" | "terminating",
  unset: boolean,
  index: number,
  problems: ProblemList,
): boolean | undefined {
  const value = conditions[name];
  if (value === undefined || value === null) return unset;
  if (typeof value === "boolean") return value;
  problems.add(`endpoints[${index}].conditions.${name}`, value, "must be true or false; endpoint skipped");
  return undefined;
}

/** The node's name; objects of discovery v1beta1 may have it as a topology label instead. Empty when unknown. */
function parseNodeName(endpoint: Json, pool: StringPool): string {
  const name = endpoint.nodeName ?? objectOrEmpty(endpoint.topology)["kubernetes.io/hostname"];
  return typeof name === "string" ? pool.text(name) : "";
}

/** The names in `hints.forZones` or `hints.forNodes`; undefined if there are none. */
function parseHints(hints: unknown, pool: StringPool): readonly string[] | undefined {
  if (!Array.isArray(hints)) return undefined;
  const names = hints
    .map((hint) => objectOrEmpty(hint).name)
    .filter((name): name is string => typeof name === "string" && name !== "");
  return names.length > 0 ? pool.set(names) : undefined;
}
