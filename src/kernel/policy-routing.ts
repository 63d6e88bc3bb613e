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
import { familyNumber } from "../netlink/inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { RT_SCOPE_UNIVERSE } from "./addresses.ts";
import { LOOPBACK_INDEX } from "./links.ts";
import { lookUpRoute, RTMSG_BYTES, routeHeader } from "./route.ts";

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
/** struct fib_rule_hdr: family, two prefix lengths, TOS, table, reserved (2), action (u8 each), flags (u32). */
const FIB_RULE_HDR_BYTES = 12;
const FR_ACT_TO_TBL = 1;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const RTA_OIF = 4;
const RTA_TABLE = 15;
const RTN_LOCAL = 2;
const RTPROT_BOOT = 3;
const RT_SCOPE_HOST = 254;
/** In a request to delete: whatever the scope. */
const RT_SCOPE_NOWHERE = 255;
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
export function hasPolicyRoute(socket: NetlinkSocket, { family, mark, table }: PolicyRoute): boolean {
  // Without the rule, the machine may have no route to nobody.
  const message = lookUpRoute(socket, family, mark);
  return message !== undefined && isOfTable(message, table);
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
  header.writeUInt8(familyNumber(family), 0);
  header.writeUInt8(FR_ACT_TO_TBL, 7);
  return new AttributeWriter(header).u32(FRA_TABLE, table);
}

/** struct rtmsg has the type of the route in its eighth byte. */
function isOfTable({ payload }: NetlinkMessage, table: number): boolean {
  const attributes = new AttributeReader(payload, RTMSG_BYTES);
  let found = 0;
  while (attributes.next()) if (attributes.type === RTA_TABLE) found = attributes.u32();
  attributes.finish();
  return found === table && payload[7] === RTN_LOCAL;
}
