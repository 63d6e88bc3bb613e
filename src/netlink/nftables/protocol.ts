/** Numbers of linux/netfilter/nf_tables.h and of nft's own type system, as far as this program uses them. */
import { nfnetlinkType } from "../nfnetlink.ts";

/** linux/netfilter/nfnetlink.h */
export const NFNL_SUBSYS_NFTABLES = 10;
export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;
/** Attribute of BATCH_BEGIN: the generation that the batch was made for. */
export const NFNL_BATCH_GENID = 1;
/** The multicast group that tells of every committed change. */
export const NFNLGRP_NFTABLES = 7;

const message = (number: number): number => nfnetlinkType(NFNL_SUBSYS_NFTABLES, number);
export const NFT_MSG_NEWTABLE = message(0);
export const NFT_MSG_GETTABLE = message(1);
export const NFT_MSG_DELTABLE = message(2);
export const NFT_MSG_NEWCHAIN = message(3);
export const NFT_MSG_GETCHAIN = message(4);
export const NFT_MSG_DELCHAIN = message(5);
export const NFT_MSG_NEWRULE = message(6);
export const NFT_MSG_GETRULE = message(7);
export const NFT_MSG_DELRULE = message(8);
export const NFT_MSG_NEWSET = message(9);
export const NFT_MSG_GETSET = message(10);
export const NFT_MSG_DELSET = message(11);
export const NFT_MSG_NEWSETELEM = message(12);
export const NFT_MSG_GETSETELEM = message(13);
export const NFT_MSG_DELSETELEM = message(14);
export const NFT_MSG_NEWGEN = message(15);
export const NFT_MSG_GETGEN = message(16);
export const NFT_MSG_NEWOBJ = message(18);
export const NFT_MSG_DELOBJ = message(20);
export const NFT_MSG_NEWFLOWTABLE = message(22);
export const NFT_MSG_DELFLOWTABLE = message(24);

// enum nft_list_attributes, nft_table_attributes, nft_hook_attributes, nft_chain_attributes
export const NFTA_LIST_ELEM = 1;
export const NFTA_TABLE_NAME = 1;
export const NFTA_TABLE_FLAGS = 2;
export const NFTA_TABLE_USE = 3;
export const NFTA_TABLE_HANDLE = 4;
export const NFTA_TABLE_USERDATA = 6;
export const NFTA_HOOK_HOOKNUM = 1;
export const NFTA_HOOK_PRIORITY = 2;
export const NFTA_CHAIN_TABLE = 1;
export const NFTA_CHAIN_HANDLE = 2;
export const NFTA_CHAIN_NAME = 3;
export const NFTA_CHAIN_HOOK = 4;
export const NFTA_CHAIN_POLICY = 5;
export const NFTA_CHAIN_USE = 6;
export const NFTA_CHAIN_TYPE = 7;
export const NFTA_CHAIN_USERDATA = 12;

// enum nft_rule_attributes
export const NFTA_RULE_TABLE = 1;
export const NFTA_RULE_CHAIN = 2;
export const NFTA_RULE_HANDLE = 3;
export const NFTA_RULE_EXPRESSIONS = 4;
export const NFTA_RULE_USERDATA = 7;

// enum nft_set_attributes and its parts
export const NFTA_SET_TABLE = 1;
export const NFTA_SET_NAME = 2;
export const NFTA_SET_FLAGS = 3;
export const NFTA_SET_KEY_TYPE = 4;
export const NFTA_SET_KEY_LEN = 5;
export const NFTA_SET_DATA_TYPE = 6;
export const NFTA_SET_DATA_LEN = 7;
export const NFTA_SET_DESC = 9;
export const NFTA_SET_ID = 10;
export const NFTA_SET_TIMEOUT = 11;
export const NFTA_SET_GC_INTERVAL = 12;
export const NFTA_SET_USERDATA = 13;
export const NFTA_SET_HANDLE = 16;
export const NFTA_SET_EXPR = 17;
export const NFTA_SET_EXPRESSIONS = 18;
/** Number of elements (recent kernels only; 6.18 has it). */
export const NFTA_SET_COUNT = 20;
export const NFTA_SET_DESC_SIZE = 1;
export const NFTA_SET_DESC_CONCAT = 2;
export const NFTA_SET_FIELD_LEN = 1;

// enum nft_set_flags
export const NFT_SET_INTERVAL = 0x4;
export const NFT_SET_MAP = 0x8;
export const NFT_SET_TIMEOUT = 0x10;
export const NFT_SET_EVAL = 0x20;
export const NFT_SET_CONCAT = 0x80;

// enum nft_set_elem_attributes, nft_set_elem_flags, nft_set_elem_list_attributes
export const NFTA_SET_ELEM_KEY = 1;
export const NFTA_SET_ELEM_DATA = 2;
export const NFTA_SET_ELEM_FLAGS = 3;
export const NFTA_SET_ELEM_TIMEOUT = 4;
export const NFTA_SET_ELEM_EXPIRATION = 5;
export const NFTA_SET_ELEM_EXPR = 7;
export const NFTA_SET_ELEM_KEY_END = 10;
export const NFTA_SET_ELEM_EXPRESSIONS = 11;
export const NFT_SET_ELEM_INTERVAL_END = 0x1;
export const NFTA_SET_ELEM_LIST_TABLE = 1;
export const NFTA_SET_ELEM_LIST_SET = 2;
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3;

// enum nft_data_attributes, nft_verdict_attributes; kernel types of map values (enum nft_data_types)
export const NFTA_DATA_VALUE = 1;
export const NFTA_DATA_VERDICT = 2;
export const NFTA_VERDICT_CODE = 1;
export const NFTA_VERDICT_CHAIN = 2;
export const NFT_DATA_VERDICT = 0xffffff00;

/** Verdicts: those of linux/netfilter.h are not negative, those of enum nft_verdicts are. */
export const NF_DROP = 0;
export const NFT_JUMP = -3;
export const NFT_GOTO = -4;
export const NF_ACCEPT = 1;

// enum nft_registers: the verdict, and sixteen registers of 32 bits
export const NFT_REG_VERDICT = 0;
export const NFT_REG32_00 = 8;

// nft_expr_attributes and those of each expression
export const NFTA_EXPR_NAME = 1;
export const NFTA_EXPR_DATA = 2;
export const NFTA_COUNTER_BYTES = 1;
export const NFTA_COUNTER_PACKETS = 2;
export const NFTA_GEN_ID = 1;
export const NFTA_GEN_PROC_PID = 2;
export const NFTA_GEN_PROC_NAME = 3;

// enum nft_object_attributes, nft_flowtable_attributes
export const NFTA_OBJ_NAME = 2;
export const NFTA_FLOWTABLE_NAME = 2;

// linux/netfilter.h, linux/netfilter_ipv4.h: hooks of the families ip and ip6
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
