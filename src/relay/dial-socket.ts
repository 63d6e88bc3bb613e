/** Sockets towards endpoints: opened, bound where that is asked for, and on their way to connect. */
import { AF_INET } from "../netlink/inet.ts";
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EINPROGRESS,
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_TRANSPARENT,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "./constants.ts";
import type { Endpoint } from "./endpoint.ts";
import * as libc from "./libc.ts";
import { bindTo, connectTo, openSocket, setOption } from "./sockets.ts";
import { connectFromOwnPort } from "./source-port.ts";

/** A socket that is connecting to the endpoint, or a negative errno. */
export function dial(endpoint: Endpoint, now: number): number {
  const own = endpoint.dialRate.count(now);
  const fd = own ? dialFromOwnPort(endpoint) : connected(openDialSocket(endpoint), endpoint);
  if (fd !== -EADDRNOTAVAIL && fd !== -EAGAIN) return fd;
  // One way to get a port has failed; there is the other.
  if (own) return connected(openDialSocket(endpoint), endpoint);
  endpoint.dialRate.setMany(now);
  return dialFromOwnPort(endpoint);
}

/**
 * The same from a client's address (a struct sockaddr); needs CAP_NET_ADMIN and an address of the endpoint's family. The
 * port is the kernel's choice: the client's own could be in use towards this endpoint.
 */
export function dialFrom(client: Buffer, endpoint: Endpoint): number {
  const fd = openDialSocket(endpoint);
  if (fd < 0) return fd;
  const isIPv4 = endpoint.address[0] === AF_INET;
  const [level, name] = isIPv4 ? [IPPROTO_IP, IP_TRANSPARENT] : [IPPROTO_IPV6, IPV6_TRANSPARENT];
  const source = Buffer.from(client);
  source.writeUInt16BE(0, 2);
  let result = setOption(fd, level, name, 1);
  if (result === 0) result = setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (result === 0) result = bindTo(fd, source);
  if (result === 0) return connected(fd, endpoint);
  libc.close(fd);
  return result;
}

function dialFromOwnPort(endpoint: Endpoint): number {
  return connectFromOwnPort(endpoint.address, () => openDialSocket(endpoint), libc.close);
}

function openDialSocket(endpoint: Endpoint): number {
  const fd = openSocket(endpoint.address[0] ?? AF_INET, SOCK_STREAM);
  if (fd < 0) return fd;
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // So that its port, in TIME_WAIT, can be bound to again.
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  return fd;
}

function connected(fd: number, endpoint: Endpoint): number {
  if (fd < 0) return fd;
  const result = connectTo(fd, endpoint.address);
  if (result === 0 || result === -EINPROGRESS) return fd;
  libc.close(fd);
  return result;
}
