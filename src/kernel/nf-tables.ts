/** The little of nf_tables that iptables mode needs: who changed the ruleset last, and a table left by another mode. */
import type { IpFamily } from "../model/types.ts";
import { isNetlinkError, NetlinkError } from "../netlink/errors.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../netlink/inet.ts";
import { type NetlinkRequest, NLM_F_ACK } from "../netlink/messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader, nfnetlinkType, nfnetlinkWriter } from "../netlink/nfnetlink.ts";
import { NetlinkSocket } from "../netlink/socket.ts";

/** linux/netfilter/nfnetlink.h and nf_tables.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_DELTABLE = nfnetlinkType(NFNL_SUBSYS_NFTABLES, 2);
const NFT_MSG_GETGEN = nfnetlinkType(NFNL_SUBSYS_NFTABLES, 16);
const NFTA_TABLE_NAME = 1;
const NFTA_GEN_ID = 1;
const NFTA_GEN_PROC_PID = 2;
const NFTA_GEN_PROC_NAME = 3;

/** The state of the ruleset of a network namespace, over all its tables. */
export interface Generation {
  /** Every committed change, whoever made it, adds one. */
  readonly id: number;
  /** The process that made the last change; 0 and empty when the kernel does not say. */
  readonly pid: number;
  readonly program: string;
}

/** Reads which change of the ruleset was the last. Throws a NetlinkError. */
export function readGeneration(): Generation {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const payload = nfnetlinkWriter(AF_UNSPEC).finish();
  const request = { type: NFT_MSG_GETGEN, flags: 0, payload };
  const [message] = socket.request("read the nf_tables generation", request);
  const generation = { id: 0, pid: 0, program: "" };
  if (message === undefined) return generation;
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) {
    if (attributes.type === NFTA_GEN_ID) generation.id = attributes.u32be();
    else if (attributes.type === NFTA_GEN_PROC_PID) generation.pid = attributes.u32be();
    else if (attributes.type === NFTA_GEN_PROC_NAME) generation.program = attributes.string();
  }
  attributes.finish();
  return generation;
}

/** Deletes an nftables table with all it holds; false when there is none. Throws a NetlinkError. */
export function deleteTable(family: IpFamily, name: string): boolean {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const payload = nfnetlinkWriter(family === "IPv4" ? AF_INET : AF_INET6)
    .string(NFTA_TABLE_NAME, name)
    .finish();
  const operation = `delete table ${name} (${family})`;
  const deletion = { type: NFT_MSG_DELTABLE, flags: NLM_F_ACK, payload };
  const replies = socket.exchange([batchMark(NFNL_MSG_BATCH_BEGIN), deletion, batchMark(NFNL_MSG_BATCH_END)]);
  const refused = replies.find(({ status }) => status !== undefined && status.errno !== 0)?.status;
  if (refused === undefined) return true;
  const error = new NetlinkError(operation, refused);
  // The last three: a kernel without nf_tables, even after it tried to load its module.
  if (isNetlinkError(error, "ENOENT", "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT")) return false;
  throw error;
}

/** Begin and end of a batch carry the subsystem as resource id, in network order. */
function batchMark(type: number): NetlinkRequest {
  return { type, flags: 0, payload: Uint8Array.of(AF_UNSPEC, 0, 0, NFNL_SUBSYS_NFTABLES) };
}
