/** Routes over rtnetlink (struct rtmsg and RTM_GETROUTE, linux/rtnetlink.h): which one a packet would take. */
import type { IpFamily } from "../model/types.ts";
import { AttributeReader, AttributeWriter } from "../netlink/attributes.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { decodeAddress, encodeAddress, familyNumber } from "../netlink/inet.ts";
import type { NetlinkMessage, NetlinkRequest } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";

const RTM_GETROUTE = 26;
/** struct rtmsg: family, two prefix lengths, TOS, table, protocol, scope, type (u8 each), flags (u32). */
export const RTMSG_BYTES = 12;
const RTM_F_LOOKUP_TABLE = 0x1000;
const RTA_DST = 1;
const RTA_PREFSRC = 7;
const RTA_MARK = 16;

/** Addresses that no machine has (RFC 1112, section 4; RFC 6666): a route to them is found by the rules alone. */
const NOBODY = { IPv4: "240.0.0.1", IPv6: "100::1" } as const;

interface RouteFields {
  readonly prefixLength?: number;
  readonly protocol?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

/** The struct rtmsg that a message begins with. */
export function routeHeader(family: IpFamily, fields: RouteFields): Buffer {
  const { prefixLength = 0, protocol = 0, scope = 0, type = 0, flags = 0 } = fields;
  const header = Buffer.alloc(RTMSG_BYTES);
  header.set([familyNumber(family), prefixLength, 0, 0, 0, protocol, scope, type]);
  header.writeUInt32LE(flags, 8);
  return header;
}

/** Asks by which route a packet to nobody in particular would go: the default route, unless the mark leads elsewhere. */
export function lookUpRequest(family: IpFamily, mark = 0): NetlinkRequest {
  const address = encodeAddress(NOBODY[family]);
  const header = routeHeader(family, { prefixLength: address.length * 8, flags: RTM_F_LOOKUP_TABLE });
  const attributes = new AttributeWriter(header).bytes(RTA_DST, address);
  if (mark !== 0) attributes.u32(RTA_MARK, mark);
  return { type: RTM_GETROUTE, flags: 0, payload: attributes.finish() };
}

/** The route that such a packet would take; undefined when it would take none. Throws a NetlinkError. */
export function lookUpRoute(
  socket: NetlinkSocket,
  family: IpFamily,
  mark?: number,
): NetlinkMessage | undefined {
  try {
    const [message] = socket.request("look up a route", lookUpRequest(family, mark));
    return message;
  } catch (error) {
    // Which of them stands for "no route" depends on the kernel, and on routes that refuse.
    if (isNetlinkError(error, "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL")) return undefined;
    // No such family: with IPv6 switched off as a whole (ipv6.disable=1) it is the second.
    if (isNetlinkError(error, "EAFNOSUPPORT", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}

/** The node's address from which the kernel sends to the rest of the world; undefined without a default route. */
export function defaultSource(socket: NetlinkSocket, family: IpFamily): string | undefined {
  const message = lookUpRoute(socket, family);
  return message && readSource(message);
}

function readSource({ payload }: NetlinkMessage): string | undefined {
  const attributes = new AttributeReader(payload, RTMSG_BYTES);
  let source: string | undefined;
  while (attributes.next()) if (attributes.type === RTA_PREFSRC) source = decodeAddress(attributes.bytes());
  attributes.finish();
  return source;
}
