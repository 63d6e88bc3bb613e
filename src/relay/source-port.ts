/**
 * Source ports of our own choice. Each connection whose client ends it first leaves a local port in TIME_WAIT for a
 * minute, so a few hundred connections a second to one endpoint use up all ports towards it, and the kernel's search gets
 * slow long before (it has no memory of where it found nothing). A socket that is bound to a port before it connects may
 * take one in TIME_WAIT (timestamps keep old segments apart), so a few ports are enough. They are not more because other
 * programs' connects do not get a port that somebody is bound to.
 */
import { readFileSync } from "node:fs";
import { AF_INET } from "../netlink/inet.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EINPROGRESS } from "./constants.ts";
import { encodeSocketAddress } from "./socket-address.ts";
import { bindTo, connectTo } from "./sockets.ts";

const RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range";

const PORTS = 4096;

/** Ports tried for one connection. */
const TRIES = 64;

const wildcards = { ipv4: encodeSocketAddress("0.0.0.0", 0), ipv6: encodeSocketAddress("::", 0) };

let range: { readonly from: number; readonly count: number } | undefined;
let next = 0;

/** The last ports of the range that the kernel takes local ports from (the content of its file). */
export function reservedRange(file: string): { readonly from: number; readonly count: number } {
  const [from = 32768, to = 60999] = file.trim().split(/\s+/).map(Number);
  const count = Math.min(PORTS, to - from + 1);
  return { from: to - count + 1, count };
}

/**
 * Connects from a port of our own choice. `open` makes the socket, with SO_REUSEADDR, and `failed` closes one that was of
 * no use. Returns the descriptor (the connect is in progress) or a negative errno.
 */
export function connectFromOwnPort(
  address: Buffer,
  open: () => number,
  failed: (fd: number) => void,
): number {
  range ??= readRange();
  const local = address[0] === AF_INET ? wildcards.ipv4 : wildcards.ipv6;
  for (let tries = 0; tries < TRIES; tries++) {
    const fd = open();
    if (fd < 0) return fd;
    next = (next + 1) % range.count;
    local.writeUInt16BE(range.from + next, 2);
    let result = bindTo(fd, local);
    if (result === 0) result = connectTo(fd, address);
    if (result === 0 || result === -EINPROGRESS) return fd;
    failed(fd);
    if (result !== -EADDRINUSE && result !== -EADDRNOTAVAIL) return result;
  }
  return -EADDRNOTAVAIL;
}

function readRange(): { readonly from: number; readonly count: number } {
  try {
    return reservedRange(readFileSync(RANGE_FILE, "utf8"));
  } catch {
    return reservedRange("");
  }
}
