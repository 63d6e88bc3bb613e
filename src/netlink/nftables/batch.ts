/** Transactions: all requests of a batch take effect at once, or none does. */

import { AttributeWriter } from "../attributes.ts";
import { type KernelStatus, NetlinkError } from "../errors.ts";
import { AF_UNSPEC } from "../inet.ts";
import { type NetlinkRequest, NLM_F_ACK } from "../messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader } from "../nfnetlink.ts";
import { NetlinkSocket } from "../socket.ts";
import * as p from "./protocol.ts";

/** A batch is one datagram, and this its limit: some 1.5 million elements. The kernel takes memory only as it is used. */
const BATCH_BYTES = 128 * 1024 * 1024;
/** Errors and acknowledgements of a big batch. */
const RECEIVE_BYTES = 4 * 1024 * 1024;

/** What the kernel refused of a batch. */
export class BatchError extends NetlinkError {
  /** Index of the request; -1 when it was the batch as a whole. */
  readonly request: number;
  constructor(operation: string, status: KernelStatus, request: number) {
    super(operation, status);
    this.name = "BatchError";
    this.request = request;
  }
}

/** A socket for batches, in the process's network namespace. Keep it: closing one waits for the kernel's deferred work. */
export function openNftables(): NetlinkSocket {
  return NetlinkSocket.open(NETLINK_NETFILTER, {
    sendBufferBytes: BATCH_BYTES,
    receiveBufferBytes: RECEIVE_BYTES,
  });
}

/**
 * Commits requests as one transaction. With a `generation`, only if no other change was made to any table since the
 * ruleset had that number; else it throws ERESTART. Throws a BatchError that starts with `operation`, after which
 * nothing has changed. A transaction that changes nothing makes no new generation.
 */
export function commit(
  socket: NetlinkSocket,
  operation: string,
  requests: readonly NetlinkRequest[],
  generation?: number,
): void {
  const [failure] = tryCommit(socket, operation, requests, generation);
  if (failure !== undefined) throw failure;
}

/** As `commit`, but returns everything that the kernel refused; nothing has changed unless the list is empty. */
export function tryCommit(
  socket: NetlinkSocket,
  operation: string,
  requests: readonly NetlinkRequest[],
  generation?: number,
): BatchError[] {
  if (requests.length === 0) return [];
  return exchange(
    socket,
    operation,
    requests,
    [mark(p.NFNL_MSG_BATCH_BEGIN, generation)],
    [mark(p.NFNL_MSG_BATCH_END, undefined)],
  );
}

/** Lets the kernel check requests as one transaction that it then drops, since its end is missing. Throws a BatchError. */
export function check(socket: NetlinkSocket, operation: string, requests: readonly NetlinkRequest[]): void {
  const [failure] = exchange(socket, operation, requests, [mark(p.NFNL_MSG_BATCH_BEGIN, undefined)], []);
  if (failure !== undefined) throw failure;
}

function exchange(
  socket: NetlinkSocket,
  operation: string,
  requests: readonly NetlinkRequest[],
  begin: readonly NetlinkRequest[],
  end: readonly NetlinkRequest[],
): BatchError[] {
  const last = requests.length - 1;
  // One acknowledgement proves that the kernel has nf_tables at all; the rest speaks only when refused.
  const batch = requests.map((request, i) =>
    i === last ? { ...request, flags: request.flags | NLM_F_ACK } : request,
  );
  const failures: BatchError[] = [];
  for (const [i, { status }] of socket.exchange([...begin, ...batch, ...end]).entries()) {
    if (status !== undefined && status.errno !== 0)
      failures.push(new BatchError(operation, status, i - begin.length));
  }
  return failures;
}

/** Begin and end of a batch carry the subsystem as resource id, in network order. */
function mark(type: number, generation: number | undefined): NetlinkRequest {
  const attributes = new AttributeWriter(Uint8Array.of(AF_UNSPEC, 0, 0, p.NFNL_SUBSYS_NFTABLES));
  if (generation !== undefined) attributes.u32be(p.NFNL_BATCH_GENID, generation);
  return { type, flags: 0, payload: attributes.finish() };
}

/**
 * The number of the ruleset's generation: every committed change to any table of the network namespace, whoever made
 * it, adds one. (The process that the answer also names is the asking one.) Throws a NetlinkError.
 */
export function readGeneration(socket: NetlinkSocket): number {
  const payload = new AttributeWriter(Uint8Array.of(AF_UNSPEC, 0, 0, 0)).finish();
  const [message] = socket.request("read the nf_tables generation", {
    type: p.NFT_MSG_GETGEN,
    flags: 0,
    payload,
  });
  let generation = 0;
  if (message === undefined) return generation;
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) if (attributes.type === p.NFTA_GEN_ID) generation = attributes.u32be();
  attributes.finish();
  return generation;
}
