/**
 * Delivery of marked packets to this machine, whomever they are for, as IP_TRANSPARENT sockets need it: over rtnetlink
 * (linux/fib_rules.h, linux/rtnetlink.h), for one family
 *
 *     ip rule add fwmark MARK/MARK lookup TABLE
 *     ip route add local default dev lo table TABLE
 */
import type { IpFamily } from "../model/types.ts";
import { AttributeReader, AttributeWriter } from "../netlink/attributes.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { AF_INET, AF_INET6, encodeAddress } from "../netlink/inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { RT_SCOPE_UNIVERSE } from "./addresses.ts";

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
/** struct fib_rule_hdr: family, two prefix lengths, TOS, table, reserved (2), action (u8 each), flags (u32). */
const FIB_RULE_HDR_BYTES = 12;
const FR_ACT_TO_TBL = 1;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
/** struct rtmsg: family, two prefix lengths, TOS, table, protocol, scope, type (u8 each), flags (u32). */
const RTMSG_BYTES = 12;
const RTM_F_LOOKUP_TABLE = 0x1000;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_TABLE = 15;
const RTA_MARK = 16;
const RTN_LOCAL = 2;
const RTPROT_BOOT = 3;
const RT_SCOPE_HOST = 254;
/** In a request to delete: whatever the scope. */
const RT_SCOPE_NOWHERE = 255;
/** The loopback device is the first of every network namespace. */
const LOOPBACK_INDEX = 1;

/** Addresses that no machine has (RFC 1112, section 4; RFC 6666): a route to them is found by the rules alone. */
const NOBODY = { IPv4: "240.0.0.1", IPv6: "100::1" } as const;

/** What there is to be; the table is nobody else's. */
export interface PolicyRoute {
  readonly family: IpFamily;
  /** Bits that a packet must have. */
  readonly mark: number;
  readonly table: number;
  /** Of the rule: lower ones are asked first. */
  readonly priority: number;
}

/** Whether marked packets are delivered. Asks the kernel for a route, so rule and route are seen at work. */
export function hasPolicyRoute(socket: NetlinkSocket, route: PolicyRoute): boolean {
  try {
    const [message] = socket.request("look up a route by mark", lookUpRequest(route));
    return message !== undefined && isOfTable(message, route.table);
  } catch (error) {
    // Without the rule, the machine may have no route to nobody.
    if (isNetlinkError(error, "ENETUNREACH", "EHOSTUNREACH", "EACCES", "EINVAL")) return false;
    throw error;
  }
}

/** Makes sure that marked packets are delivered; returns whether anything was missing. Throws a NetlinkError. */
export function ensurePolicyRoute(socket: NetlinkSocket, route: PolicyRoute): boolean {
  if (hasPolicyRoute(socket, route)) return false;
  // Also what is there for another mark.
  removePolicyRoutes(socket, route.family, route.table);
  socket.request("add a local default route", addRouteRequest(route));
  socket.request("add a routing rule for marked packets", addRuleRequest(route));
  return true;
}

/** Removes the rules that lead to a table, and its default route; returns whether there were any. Throws a NetlinkError. */
export function removePolicyRoutes(socket: NetlinkSocket, family: IpFamily, table: number): boolean {
  let removed = false;
  const removeOne = (operation: string, request: NetlinkRequest): boolean => {
    try {
      socket.request(operation, request);
      removed = true;
      return true;
    } catch (error) {
      // Which of them stands for what is missing depends on the kernel; the last two: it knows of one table only.
      if (isNetlinkError(error, "ENOENT", "ESRCH", "EAFNOSUPPORT", "EOPNOTSUPP")) return false;
      throw error;
    }
  };
  while (removeOne("remove a routing rule", removeRuleRequest(family, table)));
  while (removeOne("remove a local default route", removeRouteRequest(family, table)));
  return removed;
}

/** Asks by which route a packet with the mark would go. */
export function lookUpRequest({ family, mark }: PolicyRoute): NetlinkRequest {
  const address = encodeAddress(NOBODY[family]);
  const header = routeHeader(family, { prefixLength: address.length * 8, flags: RTM_F_LOOKUP_TABLE });
  const payload = new AttributeWriter(header).bytes(RTA_DST, address).u32(RTA_MARK, mark).finish();
  return { type: RTM_GETROUTE, flags: 0, payload };
}

/** Adds `local default dev lo`. */
export function addRouteRequest({ family, table }: PolicyRoute): NetlinkRequest {
  const scope = family === "IPv4" ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  const header = routeHeader(family, { protocol: RTPROT_BOOT, scope, type: RTN_LOCAL });
  const payload = new AttributeWriter(header).u32(RTA_TABLE, table).u32(RTA_OIF, LOOPBACK_INDEX).finish();
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
}

/** Removes the default route of a table. */
export function removeRouteRequest(family: IpFamily, table: number): NetlinkRequest {
  const header = routeHeader(family, { scope: RT_SCOPE_NOWHERE });
  return {
    type: RTM_DELROUTE,
    flags: 0,
    payload: new AttributeWriter(header).u32(RTA_TABLE, table).finish(),
  };
}

/** Adds the rule. */
export function addRuleRequest({ family, mark, table, priority }: PolicyRoute): NetlinkRequest {
  const attributes = ruleWriter(family, table).u32(FRA_PRIORITY, priority);
  const payload = attributes.u32(FRA_FWMARK, mark).u32(FRA_FWMASK, mark).finish();
  return { type: RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
}

/** Removes the first rule that leads to a table. */
export function removeRuleRequest(family: IpFamily, table: number): NetlinkRequest {
  return { type: RTM_DELRULE, flags: 0, payload: ruleWriter(family, table).finish() };
}

function ruleWriter(family: IpFamily, table: number): AttributeWriter {
  const header = Buffer.alloc(FIB_RULE_HDR_BYTES);
  header.writeUInt8(numberOf(family), 0);
  header.writeUInt8(FR_ACT_TO_TBL, 7);
  return new AttributeWriter(header).u32(FRA_TABLE, table);
}

function routeHeader(
  family: IpFamily,
  fields: { prefixLength?: number; protocol?: number; scope?: number; type?: number; flags?: number },
): Buffer {
  const { prefixLength = 0, protocol = 0, scope = 0, type = 0, flags = 0 } = fields;
  const header = Buffer.alloc(RTMSG_BYTES);
  header.set([numberOf(family), prefixLength, 0, 0, 0, protocol, scope, type]);
  header.writeUInt32LE(flags, 8);
  return header;
}

function numberOf(family: IpFamily): number {
  return family === "IPv4" ? AF_INET : AF_INET6;
}

/** struct rtmsg has the type of the route in its eighth byte. */
function isOfTable({ payload }: NetlinkMessage, table: number): boolean {
  const attributes = new AttributeReader(payload, RTMSG_BYTES);
  let found = 0;
  while (attributes.next()) if (attributes.type === RTA_TABLE) found = attributes.u32();
  attributes.finish();
  return found === table && payload[7] === RTN_LOCAL;
}
