/** The node's own addresses, over rtnetlink (RTM_GETADDR, linux/if_addr.h). */
import { existsSync } from "node:fs";
import { IP_FAMILIES, type IpFamily, type PerFamily } from "../model/types.ts";
import { AttributeReader } from "../netlink/attributes.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, decodeAddress } from "../netlink/inet.ts";
import type { NetlinkMessage, NetlinkRequest } from "../netlink/messages.ts";
import { findLink, LOOPBACK_INDEX } from "./links.ts";
import { defaultSource } from "./route.ts";
import { openRtnetlink } from "./rtnetlink.ts";

const RTM_GETADDR = 22;
/** struct ifaddrmsg: family, prefix length, flags, scope (u8 each), interface index (u32). */
export const IFADDRMSG_BYTES = 8;
export const IFA_ADDRESS = 1;
export const IFA_LOCAL = 2;

/** Scope of an address that is valid everywhere (RT_SCOPE_UNIVERSE, linux/rtnetlink.h). */
export const RT_SCOPE_UNIVERSE = 0;

/** The addresses of this network namespace, in the kernel's order. */
export interface HostAddresses {
  /** Every address of every interface, loopback included. */
  readonly local: PerFamily<readonly string[]>;
  /**
   * Those by which other hosts may know this one: of global scope, and not on the loopback device. First comes, wherever it
   * is, the one from which the kernel sends to the rest of the world: the first interface may well be a bridge.
   */
  readonly outward: PerFamily<readonly string[]>;
}

/** Whether the kernel has IPv6, and it is not switched off as a whole (`ipv6.disable=1`). */
export function hasIPv6(): boolean {
  return existsSync("/proc/net/if_inet6");
}

export interface ListOptions {
  /** Name of a link whose addresses do not count, unless another link has them too. There need not be such a link. */
  readonly exceptLink?: string;
}

/**
 * Lists addresses. Interfaces that are down count too: the kernel delivers nothing to their addresses, and when one
 * comes up its addresses are served at once. Throws a NetlinkError.
 */
export async function listAddresses({ exceptLink }: ListOptions = {}): Promise<HostAddresses> {
  using socket = openRtnetlink();
  const except = exceptLink === undefined ? undefined : findLink(socket, exceptLink);
  const all = await socket.dumpAll("list addresses", listRequest(AF_UNSPEC));
  const isExcept = except === undefined ? () => false : isOnLink(except.index);
  const messages = all.filter((message) => !isExcept(message));
  const [local, outward] = [byFamily(messages), byFamily(messages.filter(isOutward))];
  for (const family of IP_FAMILIES) {
    const source = defaultSource(socket, family);
    if (source !== undefined && local[family].includes(source))
      outward[family] = [source, ...outward[family].filter((ip) => ip !== source)];
  }
  return { local, outward };
}

/** Asks, in a dump, for the addresses of a family (AF_…). */
export function listRequest(family: number): NetlinkRequest {
  const payload = Buffer.alloc(IFADDRMSG_BYTES);
  payload.writeUInt8(family);
  return { type: RTM_GETADDR, flags: 0, payload };
}

function byFamily(messages: readonly NetlinkMessage[]): Record<IpFamily, readonly string[]> {
  return { IPv4: [...addressesOf(messages, AF_INET)], IPv6: [...addressesOf(messages, AF_INET6)] };
}

/** struct ifaddrmsg has the scope in its fourth byte, the interface's index in the next four. */
function isOutward(message: NetlinkMessage): boolean {
  return message.payload[3] === RT_SCOPE_UNIVERSE && linkIndex(message) !== LOOPBACK_INDEX;
}

/** Tells whether a message of an RTM_GETADDR dump is about an address of the link of an index. */
export function isOnLink(index: number): (message: NetlinkMessage) => boolean {
  return (message) => linkIndex(message) === index;
}

function linkIndex({ payload }: NetlinkMessage): number {
  return payload.readUInt32LE(4);
}

/** The distinct addresses of one family (AF_…) in an RTM_GETADDR dump. */
export function addressesOf(messages: readonly NetlinkMessage[], family: number): ReadonlySet<string> {
  const ofFamily = messages.filter((message) => message.payload[0] === family);
  return new Set(ofFamily.map(readLocalAddress));
}

/** On a point-to-point link IFA_ADDRESS is the peer and only IFA_LOCAL our own; IPv6 mostly sends no IFA_LOCAL. */
function readLocalAddress(message: NetlinkMessage): string {
  const attributes = new AttributeReader(message.payload, IFADDRMSG_BYTES);
  let address: Uint8Array = new Uint8Array(0);
  let local: Uint8Array | undefined;
  while (attributes.next()) {
    if (attributes.type === IFA_ADDRESS) address = attributes.bytes();
    else if (attributes.type === IFA_LOCAL) local = attributes.bytes();
  }
  attributes.finish();
  return decodeAddress(local ?? address);
}
