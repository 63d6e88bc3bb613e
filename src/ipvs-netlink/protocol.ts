/** The kernel's numbers: commands, attributes and flags of the generic netlink family IPVS (linux/ip_vs.h). */
import { AF_INET, AF_INET6 } from "../netlink/inet.ts";
import type { Family, ForwardingMethod, Protocol, SchedulerFlag } from "./types.ts";

export const IPVS_GENL_NAME = "IPVS";
export const IPVS_GENL_VERSION = 1;

// enum IPVS_CMD_…
export const IPVS_CMD_NEW_SERVICE = 1;
export const IPVS_CMD_SET_SERVICE = 2;
export const IPVS_CMD_DEL_SERVICE = 3;
export const IPVS_CMD_GET_SERVICE = 4;
export const IPVS_CMD_NEW_DEST = 5;
export const IPVS_CMD_SET_DEST = 6;
export const IPVS_CMD_DEL_DEST = 7;
export const IPVS_CMD_GET_DEST = 8;
export const IPVS_CMD_SET_CONFIG = 12;
export const IPVS_CMD_GET_CONFIG = 13;
export const IPVS_CMD_GET_INFO = 15;
export const IPVS_CMD_ZERO = 16;
export const IPVS_CMD_FLUSH = 17;

// enum IPVS_CMD_ATTR_…: the top level of every message but that of IPVS_CMD_GET_INFO.
export const IPVS_CMD_ATTR_SERVICE = 1;
export const IPVS_CMD_ATTR_DEST = 2;
export const IPVS_CMD_ATTR_TIMEOUT_TCP = 4;
export const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN = 5;
export const IPVS_CMD_ATTR_TIMEOUT_UDP = 6;

// enum IPVS_SVC_ATTR_…
export const IPVS_SVC_ATTR_AF = 1;
export const IPVS_SVC_ATTR_PROTOCOL = 2;
export const IPVS_SVC_ATTR_ADDR = 3;
export const IPVS_SVC_ATTR_PORT = 4;
export const IPVS_SVC_ATTR_FWMARK = 5;
export const IPVS_SVC_ATTR_SCHED_NAME = 6;
export const IPVS_SVC_ATTR_FLAGS = 7;
export const IPVS_SVC_ATTR_TIMEOUT = 8;
export const IPVS_SVC_ATTR_NETMASK = 9;
export const IPVS_SVC_ATTR_STATS = 10;
export const IPVS_SVC_ATTR_PE_NAME = 11;
export const IPVS_SVC_ATTR_STATS64 = 12;

// enum IPVS_DEST_ATTR_…
export const IPVS_DEST_ATTR_ADDR = 1;
export const IPVS_DEST_ATTR_PORT = 2;
export const IPVS_DEST_ATTR_FWD_METHOD = 3;
export const IPVS_DEST_ATTR_WEIGHT = 4;
export const IPVS_DEST_ATTR_U_THRESH = 5;
export const IPVS_DEST_ATTR_L_THRESH = 6;
export const IPVS_DEST_ATTR_ACTIVE_CONNS = 7;
export const IPVS_DEST_ATTR_INACT_CONNS = 8;
export const IPVS_DEST_ATTR_PERSIST_CONNS = 9;
export const IPVS_DEST_ATTR_STATS = 10;
export const IPVS_DEST_ATTR_ADDR_FAMILY = 11;
export const IPVS_DEST_ATTR_STATS64 = 12;

// enum IPVS_INFO_ATTR_…
export const IPVS_INFO_ATTR_VERSION = 1;
export const IPVS_INFO_ATTR_CONN_TAB_SIZE = 2;

// IP_VS_SVC_F_…. There is also HASHED, 0x2, with which the kernel marks what it has in its table: never written here,
// ignored when read.
export const IP_VS_SVC_F_PERSISTENT = 0x1;
export const IP_VS_SVC_F_ONEPACKET = 0x4;

/** IP_VS_SVC_F_SCHED1 to 3, named for what the schedulers sh and mh make of them. */
export const SCHEDULER_FLAG_BITS: Readonly<Record<SchedulerFlag, number>> = {
  fallback: 0x8,
  port: 0x10,
  flag3: 0x20,
};

export const FAMILY_NUMBERS: Readonly<Record<Family, number>> = { IPv4: AF_INET, IPv6: AF_INET6 };

/** linux/in.h */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** IP_VS_CONN_F_MASQ and so on. */
export const FORWARDING_NUMBERS: Readonly<Record<ForwardingMethod, number>> = {
  masquerade: 0,
  local: 1,
  tunnel: 2,
  directRoute: 3,
  bypass: 4,
};

/** The name that a table has for a number; undefined for a number that is not in it. */
export function nameOf<Name extends string>(
  table: Readonly<Record<Name, number>>,
  number: number,
): Name | undefined {
  for (const name in table) if (table[name] === number) return name;
  return undefined;
}
