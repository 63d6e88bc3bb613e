/** Many changes in few datagrams. */
import { constants } from "node:os";
import { NetlinkError } from "../netlink/errors.ts";
import { type NetlinkRequest, NLM_F_ACK } from "../netlink/messages.ts";
import type { NetlinkSocket, Reply } from "../netlink/socket.ts";
import { type Change, describeChange, encodeChange } from "./changes.ts";
import { IpvsError } from "./errors.ts";

/**
 * Changes in one datagram. If the kernel refuses them all, its answers must fit the receive buffer: of the default size,
 * it takes about 256 of them on Linux 6.18.
 */
const CHANGES_PER_DATAGRAM = 128;

/**
 * Sends the changes, in their order, and returns for each what the kernel refused, undefined where it did not. Throws a
 * RangeError, before anything is sent, when one makes no sense. `family` is the number of IPVS in generic netlink.
 */
export function applyChanges(
  socket: NetlinkSocket,
  family: number,
  changes: readonly Change[],
): (IpvsError | undefined)[] {
  const requests = changes.map((change) => ({ type: family, flags: 0, payload: encodeChange(change) }));
  const outcomes: (IpvsError | undefined)[] = [];
  for (let start = 0; start < requests.length; start += CHANGES_PER_DATAGRAM) {
    const replies = exchange(socket, requests.slice(start, start + CHANGES_PER_DATAGRAM));
    for (const [i, reply] of replies.entries()) outcomes.push(outcomeOf(changes[start + i], reply));
  }
  return outcomes;
}

/** Only the last change is acknowledged: that proves that the kernel has been through all, and refused what it names. */
function exchange(socket: NetlinkSocket, requests: readonly NetlinkRequest[]): readonly Reply[] {
  const last = requests.length - 1;
  const replies = socket.exchange(
    requests.map((request, i) => (i === last ? { ...request, flags: request.flags | NLM_F_ACK } : request)),
  );
  if (replies[last]?.status !== undefined) return replies;
  const unknown = { errno: constants.errno.ENODATA, text: "", offset: -1 };
  return replies.map((reply) => ({ ...reply, status: reply.status ?? unknown }));
}

function outcomeOf(change: Change | undefined, { status }: Reply): IpvsError | undefined {
  if (change === undefined || status === undefined || status.errno === 0) return undefined;
  const operation = describeChange(change);
  return new IpvsError(operation, new NetlinkError(operation.text, status));
}
