/** Opens the sockets that the kernel redirects clients to. */
import { familyNumber } from "../netlink/inet.ts";
import { setKeepalive, UNSENT_BYTES } from "./connection.ts";
import {
  EADDRINUSE,
  IP_PKTINFO,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_RECVPKTINFO,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
  TCP_NOTSENT_LOWAT,
} from "./constants.ts";
import * as libc from "./libc.ts";
import { checked } from "./relay-error.ts";
import { encodeSocketAddress, joinEndpoint } from "./socket-address.ts";
import { ADDRESS_AT, addressBytes, bindTo, openSocket, readOwnAddress, setOption } from "./sockets.ts";
import type { ListenerOptions, PortRange } from "./types.ts";

/** Connections that may wait to be accepted; the kernel takes its own limit (somaxconn) if that is less. */
const BACKLOG = 4096;

/** Datagrams that may wait, in bytes of kernel memory. */
const UDP_BUFFER_BYTES = 4 * 1024 * 1024;

/** A bound socket. */
export interface OpenListener {
  readonly fd: number;
  readonly port: number;
}

/**
 * Opens a listener on the first port of its range that is free. TCP options that accepted sockets inherit are set here,
 * once. Throws a RelayError.
 */
export function openListener(options: ListenerOptions, keepaliveMs: number): OpenListener {
  const range = typeof options.port === "number" ? { from: options.port, to: options.port } : options.port;
  for (let port = range.from; ; port++) {
    const fd = openOn(options, port, keepaliveMs);
    if (fd >= 0) return { fd, port: portOf(fd) };
    if (fd !== -EADDRINUSE || port >= range.to) checked(describe(options, range), fd);
  }
}

function openOn(options: ListenerOptions, port: number, keepaliveMs: number): number {
  const isTcp = options.protocol === "TCP";
  const fd = checked(
    `open ${options.protocol} socket`,
    openSocket(familyNumber(options.family), isTcp ? SOCK_STREAM : SOCK_DGRAM),
  );
  if (options.family === "IPv6") setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  let result = isTcp ? prepareTcp(fd, options, keepaliveMs) : prepareUdp(fd, options);
  if (result === 0) result = bindTo(fd, encodeSocketAddress(options.host, port));
  if (result === 0 && isTcp) result = libc.listen(fd, BACKLOG);
  if (result === 0) return fd;
  libc.close(fd);
  return result;
}

function prepareTcp(fd: number, options: ListenerOptions, keepaliveMs: number): number {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setOption(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
  setKeepalive(fd, keepaliveMs);
  if (options.transparent !== true) return 0;
  return options.family === "IPv4"
    ? setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1)
    : setOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
}

function prepareUdp(fd: number, options: ListenerOptions): number {
  // Without CAP_NET_ADMIN it stays as it is.
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER_BYTES);
  return options.family === "IPv4"
    ? setOption(fd, IPPROTO_IP, IP_PKTINFO, 1)
    : setOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

function portOf(fd: number): number {
  checked("get socket address", readOwnAddress(fd));
  return addressBytes.readUInt16BE(ADDRESS_AT + 2);
}

function describe({ host, protocol }: ListenerOptions, range: PortRange): string {
  const last = range.to === range.from ? "" : `-${range.to}`;
  return `listen on ${protocol} ${joinEndpoint(host, range.from)}${last}`;
}
