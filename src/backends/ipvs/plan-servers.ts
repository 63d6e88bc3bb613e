/**
 * What has to be changed of a virtual server, and in which order. Pure, but for `draining`, which follows.
 *
 * An endpoint of TCP that is gone gets no new connections (weight 0) and stays until its last one has ended: deleted at
 * once, IPVS would reset them. Those of UDP and SCTP are deleted at once, as upstream does: a flow then moves on with its
 * next packet. One that comes back meanwhile gets its weight back, without a moment in which it is not there.
 */
import type { Change, ListedRealServer, ListedVirtualServer, RealServer, VirtualServer } from "#ipvs-netlink";
import type { ServerChange } from "./difference.ts";
import type { Draining } from "./draining.ts";
import type { IpvsOptions } from "./options.ts";
import { parseEndpoint, parseServerKey, type WantedServer } from "./virtual-server.ts";

/** What decides how virtual servers look. */
export type ServerOptions = Pick<IpvsOptions, "scheduler" | "schedulerFlags">;

/** A virtual server as the kernel has it. */
export interface FoundServer {
  readonly service: ListedVirtualServer;
  readonly destinations: readonly ListedRealServer[];
}

/** The changes from what was last written. */
export function planChange(
  { key, before, after }: ServerChange,
  options: ServerOptions,
  draining: Draining,
): readonly Change[] {
  if (after === undefined) return [planDeletion(key, draining)];
  if (before === undefined) return planAddition(key, after, options);
  const service = virtualServer(key, after, options);
  const changes: Change[] = [];
  if (before.affinitySeconds !== after.affinitySeconds) changes.push({ change: "setService", service });
  const gone = new Set(before.endpoints);
  for (const endpoint of after.endpoints) {
    if (gone.delete(endpoint)) continue;
    const back = draining.delete(key, endpoint);
    const destination = realServer(endpoint, 1);
    changes.push({ change: back ? "setDestination" : "addDestination", service, destination });
  }
  for (const endpoint of gone) changes.push(planRemoval(key, endpoint, service, draining));
  return changes;
}

/** The changes from what the kernel has. */
export function planRepair(
  key: string,
  found: FoundServer | undefined,
  wanted: WantedServer,
  options: ServerOptions,
  draining: Draining,
): readonly Change[] {
  if (found === undefined) return planAddition(key, wanted, options);
  const service = virtualServer(key, wanted, options);
  const changes: Change[] = [];
  if (!sameSettings(found.service, service)) changes.push({ change: "setService", service });
  const surplus = new Map(found.destinations.map((each) => [endpointOf(each), each]));
  for (const endpoint of wanted.endpoints) {
    const present = surplus.get(endpoint);
    surplus.delete(endpoint);
    const destination = realServer(endpoint, 1);
    if (present === undefined) changes.push({ change: "addDestination", service, destination });
    else if (!isBalanced(present)) changes.push({ change: "setDestination", service, destination });
  }
  for (const [endpoint, present] of surplus) {
    if (present.forwarding !== "masquerade")
      changes.push({ change: "deleteDestination", service, destination: present });
    else if (present.weight === 0 && drains(key)) draining.add(key, endpoint);
    else changes.push(planRemoval(key, endpoint, service, draining));
  }
  return changes;
}

function planAddition(key: string, wanted: WantedServer, options: ServerOptions): Change[] {
  const service = virtualServer(key, wanted, options);
  return [
    { change: "addService", service },
    ...wanted.endpoints.map(
      (endpoint): Change => ({ change: "addDestination", service, destination: realServer(endpoint, 1) }),
    ),
  ];
}

/** With all its real servers, those that drain included. */
export function planDeletion(key: string, draining: Draining): Change {
  draining.deleteServer(key);
  return { change: "deleteService", service: serverId(key) };
}

function planRemoval(key: string, endpoint: string, service: VirtualServer, draining: Draining): Change {
  if (!drains(key)) return { change: "deleteDestination", service, destination: realServer(endpoint, 1) };
  draining.add(key, endpoint);
  return { change: "setDestination", service, destination: realServer(endpoint, 0) };
}

function drains(key: string): boolean {
  return parseServerKey(key).protocol === "TCP";
}

/** What the kernel knows a virtual server by. */
export function serverId(key: string): { protocol: "TCP" | "UDP" | "SCTP"; address: string; port: number } {
  const { protocol, ip, port } = parseServerKey(key);
  return { protocol, address: ip, port };
}

function virtualServer(
  key: string,
  { affinitySeconds }: WantedServer,
  { scheduler, schedulerFlags }: ServerOptions,
): VirtualServer {
  const settings = { ...serverId(key), scheduler, schedulerFlags };
  return affinitySeconds === 0 ? settings : { ...settings, persistence: { timeoutSeconds: affinitySeconds } };
}

/** A real server behind masquerading: the kernel rewrites destination and, in replies, source. */
export function realServer(endpoint: string, weight: number): RealServer {
  const { ip, port } = parseEndpoint(endpoint);
  return { address: ip, port, weight };
}

/** `ip:port` of a real server that the kernel lists. */
export function endpointOf({ address, port }: ListedRealServer): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function isBalanced({ forwarding, weight, upperThreshold, lowerThreshold }: ListedRealServer): boolean {
  return forwarding === "masquerade" && weight === 1 && upperThreshold === 0 && lowerThreshold === 0;
}

/** Whether a virtual server that the kernel lists is as it was written. */
export function isAsWritten(
  key: string,
  found: ListedVirtualServer,
  wanted: WantedServer,
  options: ServerOptions,
): boolean {
  return sameSettings(found, virtualServer(key, wanted, options));
}

function sameSettings(found: ListedVirtualServer, wanted: VirtualServer): boolean {
  return (
    found.scheduler === wanted.scheduler &&
    found.schedulerFlags.join() === (wanted.schedulerFlags ?? []).join() &&
    !found.onePacket &&
    found.persistence?.timeoutSeconds === wanted.persistence?.timeoutSeconds &&
    isWholeAddress(found)
  );
}

/** Clients are told apart by their whole address, and by nothing else. */
function isWholeAddress({ persistence, ...id }: ListedVirtualServer): boolean {
  if (persistence === undefined) return true;
  const bits = "address" in id && id.address.includes(":") ? 128 : 32;
  return persistence.prefixLength === bits && persistence.engine === undefined;
}
