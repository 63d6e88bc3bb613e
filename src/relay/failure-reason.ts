/** What an errno says about an endpoint. */
import {
  EADDRNOTAVAIL,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPIPE,
  ETIMEDOUT,
} from "./constants.ts";
import type { FailureReason } from "./types.ts";

const REASONS: ReadonlyMap<number, FailureReason> = new Map([
  [ECONNREFUSED, "refused"],
  [ETIMEDOUT, "timeout"],
  [ECONNRESET, "reset"],
  [EPIPE, "reset"],
  [EMFILE, "resources"],
  [ENFILE, "resources"],
  [ENOBUFS, "resources"],
  [ENOMEM, "resources"],
  [EADDRNOTAVAIL, "resources"],
  // connect(2): no free local port, on some kernels.
  [EAGAIN, "resources"],
]);

/** Everything else is one way or another of not getting there: no route, a firewall that objects, a dead link. */
export function failureReason(errno: number): FailureReason {
  return REASONS.get(errno) ?? "unreachable";
}
