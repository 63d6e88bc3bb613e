/** From a legacy Endpoints object to slices, one per subset and family. */
import { canonicalIp, familyOf } from "../model/address.ts";
import { type EndpointRecord, IP_FAMILIES, type IpFamily, type SliceRecord } from "../model/types.ts";
import { isObject, type Json, listOf, objectOrEmpty } from "./json.ts";
import { HEADLESS_LABEL, OTHER_PROXY_LABEL, type Parsed, parseMeta } from "./object-meta.ts";
import { parseEndpointPort, parseTriggerTime } from "./parse-slice.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";
import { specialAddress } from "./special-address.ts";
import type { StringPool } from "./string-pool.ts";

/**
 * Parses one Endpoints object: it carries the name of its Service, and all its `addresses` are ready.
 * `notReadyAddresses` do not count. The records' keys are `namespace/name#subset/family`: no object's name has a `#`.
 */
export function parseEndpoints(input: unknown, pool: StringPool): Parsed<readonly SliceRecord[]> {
  const meta = parseMeta("Endpoints", input);
  if (!("object" in meta)) return meta;
  const { key, labels, problems } = meta;
  if (HEADLESS_LABEL in labels || OTHER_PROXY_LABEL in labels) return { key, problems: [] };
  problems.serviceKey = key;
  const triggerTime = parseTriggerTime(meta.metadata);
  const record: SliceRecord[] = [];
  for (const [index, subset] of listOf(meta.object.subsets, "subsets", problems).entries()) {
    const field = `subsets[${index}]`;
    const ports = parsePorts(objectOrEmpty(subset), field, problems);
    const endpoints = parseAddresses(objectOrEmpty(subset), field, pool, problems);
    for (const family of IP_FAMILIES) {
      if (endpoints[family].length === 0) continue;
      const sliceKey = `${key}#${index}/${family}`;
      record.push({
        key: sliceKey,
        serviceKey: key,
        family,
        ports,
        endpoints: endpoints[family],
        ...triggerTime,
      });
    }
  }
  return { key, record, problems: problems.list() };
}

function parsePorts(subset: Json, field: string, problems: ProblemList): SliceRecord["ports"] {
  const ports: SliceRecord["ports"][number][] = [];
  for (const [index, port] of listOf(subset.ports, `${field}.ports`, problems).entries()) {
    // An unnamed port of this old API has no name at all, where a slice has an empty one.
    const named = isObject(port) ? { ...port, name: port.name ?? "" } : port;
    const record = parseEndpointPort(named, `${field}.ports[${index}]`, problems);
    if (record) ports.push(record);
  }
  return ports;
}

function parseAddresses(
  subset: Json,
  field: string,
  pool: StringPool,
  problems: ProblemList,
): Record<IpFamily, EndpointRecord[]> {
  const found: Record<IpFamily, EndpointRecord[]> = { IPv4: [], IPv6: [] };
  const addresses = listOf(subset.addresses, `${field}.addresses`, problems);
  for (const [index, address] of addresses.entries()) {
    const { ip: text, nodeName } = objectOrEmpty(address);
    const ip = typeof text === "string" ? canonicalIp(text) : undefined;
    const special = ip === undefined ? undefined : specialAddress(ip);
    if (ip === undefined || special !== undefined) {
      const wanted = special === undefined ? "be an IP address" : `not be a ${special} address`;
      const why = `must ${wanted}; endpoint skipped`;
      problems.add(`${field}.addresses[${index}].ip`, text, why, INVALID_FIELD);
      continue;
    }
    found[familyOf(ip)].push({
      ip,
      ready: true,
      serving: true,
      terminating: false,
      nodeName: typeof nodeName === "string" ? pool.text(nodeName) : "",
    });
  }
  return found;
}
