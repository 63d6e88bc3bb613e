/** What a Service wants in userspace mode, one line each, so that a case reads as a list. */
import { ipPort } from "../../../../src/backends/ip-sets/entries.ts";
import {
  compileService,
  DESTINATIONS,
  parseDestination,
} from "../../../../src/backends/userspace/compile-service.ts";
import type { UserspaceOptions } from "../../../../src/backends/userspace/options.ts";
import type { Protocol, ServicePort } from "../../../../src/model/types.ts";
import type { EndpointLists } from "../../../../src/relay/types.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";
import { userspaceOptions } from "../../../support/userspace-options.ts";

/** Virtual ports, then destinations, then the rest, of one port. */
export function wantsOf(spec: ServicePortSpec, changes: Partial<UserspaceOptions> = {}): readonly string[] {
  return wantsOfPorts([servicePort(spec)], userspaceOptions(spec.family, changes));
}

/** Destinations alone. */
export function destinationsOf(
  spec: ServicePortSpec,
  changes: Partial<UserspaceOptions> = {},
): readonly string[] {
  return wantsOf(spec, changes).filter((line) => line.includes(" -> "));
}

export function wantsOfPorts(
  servicePorts: readonly ServicePort[],
  options = userspaceOptions(),
): readonly string[] {
  const { ports, claims } = compileService(servicePorts, options);
  return [
    ...ports.map(({ id, endpoints, affinitySeconds, keepSource }) => {
      const affinity = affinitySeconds === 0 ? "" : ` for ${affinitySeconds}s`;
      const kept = keepSource === false ? "" : ` keeping the source of ${keepSource}`;
      return `${id}: ${endpointsInWords(endpoints)}${affinity}${kept}`;
    }),
    ...claims.map(({ set, key, value }) =>
      set === DESTINATIONS ? destinationInWords(key, value) : `${set} ${key}`,
    ),
  ];
}

/** One list if all classes of clients have the same. */
function endpointsInWords(lists: EndpointLists): string {
  const [pod, outside, node] = [lists.pod, lists.outside, lists.node].map(
    (list) => list.join(" ") || "nobody",
  );
  return pod === outside && pod === node ? `${pod}` : `pod ${pod}, outside ${outside}, node ${node}`;
}

/** `protocol address -> virtual port in sets`; a set that has the destination's own address and port is just named. */
function destinationInWords(key: string, value: string): string {
  const [protocol = "", address = ""] = key.split(" ");
  const [, ip = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const own = ipPort(ip, protocol as Protocol, Number(port));
  const { id, entries } = parseDestination(value);
  const sets = entries.map(([role, entry]) => (entry === own ? role : `${role}=${entry}`));
  return `${key} -> ${id.split(" ").at(-1)} in ${sets.join(" ")}`;
}
