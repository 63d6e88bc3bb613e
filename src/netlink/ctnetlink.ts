/** What all who ask connection tracking have in common (linux/netfilter/nfnetlink_conntrack.h). */
import { nfnetlinkType } from "./nfnetlink.ts";

const NFNL_SUBSYS_CTNETLINK = 1;

export const CT_GET = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 1);
export const CT_DELETE = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 2);
export const CT_GET_STATS = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 5);

export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;

/** Inside a tuple, its addresses and its protocol. */
export const CTA_TUPLE_IP = 1;
export const CTA_TUPLE_PROTO = 2;
export const CTA_TUPLE_ZONE = 3;
export const CTA_IP_V4_SRC = 1;
export const CTA_IP_V4_DST = 2;
export const CTA_IP_V6_SRC = 3;
export const CTA_IP_V6_DST = 4;
export const CTA_PROTO_NUM = 1;
export const CTA_PROTO_SRC_PORT = 2;
export const CTA_PROTO_DST_PORT = 3;
