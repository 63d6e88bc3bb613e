/** Numbers of Linux' headers, the same on x86-64 and arm64, and the errnos that the relay tells apart. */
import { constants } from "node:os";

// sys/socket.h, asm-generic/socket.h
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_RCVBUFFORCE = 33;
export const SHUT_WR = 1;
export const MSG_PEEK = 0x2;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

// linux/in.h, linux/in6.h, linux/tcp.h, linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IP_PKTINFO = 8;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const IPV6_TRANSPARENT = 75;
/** SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST, at the levels IPPROTO_IP and IPPROTO_IPV6. */
export const ORIGINAL_DST = 80;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_USER_TIMEOUT = 18;
export const TCP_NOTSENT_LOWAT = 25;

// fcntl.h
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const F_SETPIPE_SZ = 1031;
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;

// sys/eventfd.h: each read takes one off the counter.
export const EFD_SEMAPHORE = 1;

// sys/resource.h
export const RLIMIT_NOFILE = 7;

// sys/epoll.h
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;

export const {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAGAIN,
  ECONNABORTED,
  ECONNREFUSED,
  ECONNRESET,
  EHOSTUNREACH,
  EINPROGRESS,
  EINTR,
  EINVAL,
  EMFILE,
  EMSGSIZE,
  ENETUNREACH,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  ENOENT,
  EPERM,
  EPIPE,
  EPROTO,
  ETIMEDOUT,
} = constants.errno;
