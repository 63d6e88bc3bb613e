/** Numbers of linux/netfilter/ipset/ip_set.h, ip_set_hash.h and ip_set_bitmap.h, as far as this program uses them. */
import { nfnetlinkType } from "../nfnetlink.ts";

/** linux/netfilter/nfnetlink.h */
export const NFNL_SUBSYS_IPSET = 6;

/**
 * IPSET_PROTOCOL_MIN. Kernels up to 4.19 take nothing else, later ones this and 7, which only adds the two commands
 * that map a set's index to its name.
 */
export const PROTOCOL = 6;

/** IPSET_MAXNAMELEN, of which the last byte is the terminator. */
export const NAME_BYTES = 31;

const message = (number: number): number => nfnetlinkType(NFNL_SUBSYS_IPSET, number);
export const IPSET_CMD_CREATE = message(2);
export const IPSET_CMD_DESTROY = message(3);
export const IPSET_CMD_FLUSH = message(4);
export const IPSET_CMD_RENAME = message(5);
export const IPSET_CMD_SWAP = message(6);
export const IPSET_CMD_LIST = message(7);
export const IPSET_CMD_ADD = message(9);
export const IPSET_CMD_DEL = message(10);
export const IPSET_CMD_TYPE = message(13);

/** linux/netlink.h. Numbers and addresses in ipset must carry it; single bytes and line numbers do not matter. */
export const NLA_F_NET_BYTEORDER = 0x4000;

// Attributes of a command.
export const IPSET_ATTR_PROTOCOL = 1;
export const IPSET_ATTR_SETNAME = 2;
export const IPSET_ATTR_TYPENAME = 3;
/** The other set of a rename or a swap. */
export const IPSET_ATTR_SETNAME2 = 3;
export const IPSET_ATTR_REVISION = 4;
export const IPSET_ATTR_FAMILY = 5;
export const IPSET_ATTR_FLAGS = 6;
export const IPSET_ATTR_DATA = 7;
/** A list of IPSET_ATTR_DATA, one an entry. */
export const IPSET_ATTR_ADT = 8;
export const IPSET_ATTR_LINENO = 9;
/** In the answer to IPSET_CMD_TYPE; IPSET_ATTR_REVISION is then the highest. */
export const IPSET_ATTR_REVISION_MIN = 10;

// Attributes of an entry; some are also attributes of a set.
export const IPSET_ATTR_IP = 1;
export const IPSET_ATTR_PORT = 4;
export const IPSET_ATTR_PORT_TO = 5;
export const IPSET_ATTR_TIMEOUT = 6;
export const IPSET_ATTR_PROTO = 7;
export const IPSET_ATTR_IP2 = 20;
export const IPSET_ATTR_CIDR2 = 21;

// Attributes of a set.
export const IPSET_ATTR_HASHSIZE = 18;
export const IPSET_ATTR_MAXELEM = 19;
export const IPSET_ATTR_NETMASK = 20;
/** Number of entries; since Linux 4.11. */
export const IPSET_ATTR_ELEMENTS = 24;
export const IPSET_ATTR_REFERENCES = 25;
export const IPSET_ATTR_MEMSIZE = 26;

// The one attribute inside IPSET_ATTR_IP and IPSET_ATTR_IP2.
export const IPSET_ATTR_IPADDR_IPV4 = 1;
export const IPSET_ATTR_IPADDR_IPV6 = 2;

/** enum ipset_cmd_flags: list what sets are, not what is in them. */
export const IPSET_FLAG_LIST_HEADER = 1 << 2;

// enum ipset_errno
export const IPSET_ERR_PROTOCOL = 4097;
/** From here on the meaning depends on the type of the set. */
export const IPSET_ERR_TYPE_SPECIFIC = 4352;

// linux/in.h
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_SCTP = 132;
