/** Named packet counters that iptables rules add to (`-m nfacct`), over nfnetlink_acct (linux/netfilter/nfnetlink_acct.h). */
import { isNetlinkError } from "../netlink/errors.ts";
import { AF_UNSPEC } from "../netlink/inet.ts";
import { type NetlinkMessage, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader, nfnetlinkType, nfnetlinkWriter } from "../netlink/nfnetlink.ts";
import { NetlinkSocket } from "../netlink/socket.ts";

const NFNL_SUBSYS_ACCT = 7;
const ACCT_NEW = nfnetlinkType(NFNL_SUBSYS_ACCT, 0);
const ACCT_GET = nfnetlinkType(NFNL_SUBSYS_ACCT, 1);
const NFACCT_NAME = 1;
const NFACCT_PKTS = 2;

/** NFACCT_NAME_MAX, of which the last byte is the terminator. */
const NAME_MAX_BYTES = 32;

/** Whether the kernel has such counters. Throws a NetlinkError when that cannot be told (no privilege, say). */
export async function nfacctAvailable(): Promise<boolean> {
  try {
    await readNfacctCounters();
    return true;
  } catch (error) {
    // No NETLINK_NETFILTER; no such subsystem, even after the kernel tried to load its module.
    if (isNetlinkError(error, "EPROTONOSUPPORT", "EINVAL", "EOPNOTSUPP")) return false;
    throw error;
  }
}

/** Creates the counters that do not exist yet; the others keep their counts. Throws a NetlinkError. */
export function ensureNfacctCounters(names: readonly string[]): void {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  for (const name of names) {
    const request = { type: ACCT_NEW, flags: NLM_F_CREATE | NLM_F_EXCL, payload: namePayload(name) };
    try {
      socket.request(`create nfacct counter ${name}`, request);
    } catch (error) {
      if (!isNetlinkError(error, "EEXIST")) throw error;
    }
  }
}

/** Packets counted so far by every counter there is, by name. Throws a NetlinkError. */
export async function readNfacctCounters(): Promise<ReadonlyMap<string, number>> {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const payload = nfnetlinkWriter(AF_UNSPEC).finish();
  const messages = await socket.dumpAll("list nfacct counters", { type: ACCT_GET, flags: 0, payload });
  return new Map(messages.map(readCounter));
}

function readCounter(message: NetlinkMessage): [name: string, packets: number] {
  const attributes = nfnetlinkReader(message);
  let name = "";
  let packets = 0n;
  while (attributes.next()) {
    if (attributes.type === NFACCT_NAME) name = attributes.string();
    else if (attributes.type === NFACCT_PKTS) packets = attributes.u64be();
  }
  attributes.finish();
  return [name, Number(packets)];
}

function namePayload(name: string): Uint8Array {
  // The kernel would cut a longer name and count under another.
  if (Buffer.byteLength(name) >= NAME_MAX_BYTES) {
    throw new RangeError(`nfacct counter name has more than ${NAME_MAX_BYTES - 1} bytes: ${name}`);
  }
  return nfnetlinkWriter(AF_UNSPEC).string(NFACCT_NAME, name).finish();
}
