/** What the two ends of the load have in common. */
export { AF_INET } from "../../../src/netlink/inet.ts";
export {
  EAGAIN,
  EINPROGRESS,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  MSG_NOSIGNAL,
  SHUT_WR,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../../src/relay/constants.ts";

// asm-generic/socket.h
export const SO_REUSEPORT = 15;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;

/** First byte of a connection on which everything comes back. */
export const ECHO = 0x65;
/** First byte of one on which nothing does. */
export const DISCARD = 0x64;
