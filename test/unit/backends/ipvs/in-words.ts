/** What a Service claims in ipvs mode, one line each, so that a case reads as a list. */

import { ipPort } from "../../../../src/backends/ip-sets/entries.ts";
import { ADDRESSES, compileService, SERVERS } from "../../../../src/backends/ipvs/compile-service.ts";
import type { IpvsOptions } from "../../../../src/backends/ipvs/options.ts";
import { parseServer, parseServerKey } from "../../../../src/backends/ipvs/virtual-server.ts";
import type { ServicePort } from "../../../../src/model/types.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";

/** All claims of one port. */
export function claimsOf(spec: ServicePortSpec, changes: Partial<IpvsOptions> = {}): readonly string[] {
  return claimsOfPorts([servicePort(spec)], ipvsOptions(spec.family, changes));
}

/** Those on virtual servers. */
export function serversOf(spec: ServicePortSpec, changes: Partial<IpvsOptions> = {}): readonly string[] {
  return claimsOf(spec, changes).filter((line) => line.includes(" -> "));
}

export function claimsOfPorts(ports: readonly ServicePort[], options = ipvsOptions()): readonly string[] {
  return compileService(ports, options).map(({ set, key, value }) => {
    if (set === SERVERS) return `${key} -> ${serverInWords(key, value)}`;
    return set === ADDRESSES ? `address ${key}` : `${set} ${key}`;
  });
}

/** `endpoints [for seconds] in sets`; a set that has the server's own address and port is just named. */
function serverInWords(key: string, value: string): string {
  const { affinitySeconds, entries, endpoints } = parseServer(value);
  const { ip, protocol, port } = parseServerKey(key);
  const own = ipPort(ip, protocol, port);
  const sets = entries.map(([role, entry]) => (entry === own ? role : `${role}=${entry}`));
  return [
    endpoints.join(" ") || "nobody",
    affinitySeconds === 0 ? "" : `for ${affinitySeconds}s`,
    sets.length === 0 ? "" : `in ${sets.join(" ")}`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}
