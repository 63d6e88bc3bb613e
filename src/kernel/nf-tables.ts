/** The little of nf_tables that iptables mode needs: whether the ruleset changed, and a table left by another mode. */
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

/**
 * Reads the number of the ruleset's generation: every committed change to any table of the network namespace, whoever
 * made it, adds one. (The process that the answer also names is the asking one.) Throws a NetlinkError.
 */
export function readGeneration(): number {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const payload = nfnetlinkWriter(AF_UNSPEC).finish();
  const request = { type: NFT_MSG_GETGEN, flags: 0, payload };
  const [message] = socket.request("read the nf_tables generation", request);
  let generation = 0;
  if (message === undefined) return generation;
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) if (attributes.type === NFTA_GEN_ID) generation = attributes.u32be();
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
