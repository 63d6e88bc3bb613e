/** The node's own addresses, over rtnetlink (RTM_GETADDR, linux/if_addr.h). */
import type { PerFamily } from "../model/types.ts";
import { AttributeReader } from "../netlink/attributes.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, decodeAddress } from "../netlink/inet.ts";
import type { NetlinkMessage } from "../netlink/messages.ts";
import { NetlinkSocket } from "../netlink/socket.ts";

const NETLINK_ROUTE = 0;
const RTM_GETADDR = 22;
/** struct ifaddrmsg: family, prefix length, flags, scope (u8 each), interface index (u32). */
const IFADDRMSG_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

/** Scope of an address that is valid everywhere (RT_SCOPE_UNIVERSE, linux/rtnetlink.h). */
const RT_SCOPE_UNIVERSE = 0;
/** The loopback device is the first of every network namespace. */
const LOOPBACK_INDEX = 1;

/** The addresses of this network namespace, in the kernel's order. */
export interface HostAddresses {
  /** Every address of every interface, loopback included. */
  readonly local: PerFamily<readonly string[]>;
  /** Those by which other hosts may know this one: of global scope, and not on the loopback device. */
  readonly outward: PerFamily<readonly string[]>;
}

/**
 * Lists addresses. Interfaces that are down count too: the kernel delivers nothing to their addresses, and when one
 * comes up its addresses are served at once. Throws a NetlinkError.
 */
export async function listAddresses(): Promise<HostAddresses> {
  using socket = NetlinkSocket.open(NETLINK_ROUTE);
  const payload = Buffer.alloc(IFADDRMSG_BYTES);
  payload.writeUInt8(AF_UNSPEC);
  const messages = await socket.dumpAll("list addresses", { type: RTM_GETADDR, flags: 0, payload });
  return { local: byFamily(messages), outward: byFamily(messages.filter(isOutward)) };
}

function byFamily(messages: readonly NetlinkMessage[]): PerFamily<readonly string[]> {
  return { IPv4: [...addressesOf(messages, AF_INET)], IPv6: [...addressesOf(messages, AF_INET6)] };
}

/** struct ifaddrmsg has the scope in its fourth byte, the interface's index in the next four. */
function isOutward({ payload }: NetlinkMessage): boolean {
  return payload[3] === RT_SCOPE_UNIVERSE && payload.readUInt32LE(4) !== LOOPBACK_INDEX;
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
