/** The rtnetlink family (linux/rtnetlink.h): links and addresses. */
import { NetlinkSocket } from "../netlink/socket.ts";

const NETLINK_ROUTE = 0;

/** A socket for links and addresses, in the process's network namespace. Throws a NetlinkError. */
export function openRtnetlink(): NetlinkSocket {
  return NetlinkSocket.open(NETLINK_ROUTE);
}
