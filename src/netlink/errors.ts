/** What the kernel says went wrong: errno plus the extended acknowledgement (linux/netlink.h, enum nlmsgerr_attrs). */
import { constants } from "node:os";
import { AttributeReader, align4 } from "./attributes.ts";
import {
  HEADER_BYTES,
  type NetlinkMessage,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "./messages.ts";

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;

/** Second names of numbers that the kernel calls EAGAIN and EOPNOTSUPP. */
const ALIASES: readonly string[] = ["EWOULDBLOCK", "ENOTSUP"];

const ERRNO_NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ALIASES.includes(name))
    .map(([name, errno]) => [errno, name]),
);

/** What an NLMSG_ERROR or NLMSG_DONE carries. */
export interface KernelStatus {
  /** Positive; 0 = success. */
  readonly errno: number;
  /** The kernel's explanation; empty when it gave none. */
  readonly text: string;
  /** Where in the request the offending attribute starts, in bytes from the message header; -1 when not told. */
  readonly offset: number;
}

/** A netlink operation that failed. Match on `code`. */
export class NetlinkError extends Error {
  /** Name of the errno, such as `ENOENT`; `E<number>` for one without a name outside the kernel. */
  readonly code: string;
  readonly errno: number;
  /** As in KernelStatus. */
  readonly text: string;
  readonly offset: number;

  /** `operation` says what was tried, in words that stand before a colon. */
  constructor(operation: string, status: Partial<KernelStatus> & { readonly errno: number }) {
    const { errno, text = "", offset = -1 } = status;
    const code = ERRNO_NAMES.get(errno) ?? `E${errno}`;
    const where = offset < 0 ? "" : ` (attribute at offset ${offset})`;
    super(`${operation}: ${code}${text === "" ? "" : `: ${text}`}${where}`);
    this.name = "NetlinkError";
    this.code = code;
    this.errno = errno;
    this.text = text;
    this.offset = offset;
  }
}

/** Whether the error is a NetlinkError with one of the given codes. */
export function isNetlinkError(error: unknown, ...codes: readonly string[]): error is NetlinkError {
  return error instanceof NetlinkError && codes.includes(error.code);
}

/**
 * Reads the status out of an NLMSG_ERROR (an acknowledgement when errno is 0) or NLMSG_DONE; undefined for any other
 * message. Throws a NetlinkFormatError when the message is cut off.
 *
 *     NLMSG_ERROR: | -errno (s32) | header of the request | rest of it unless CAPPED | attributes if ACK_TLVS |
 *     NLMSG_DONE:  | -errno (s32) | attributes if ACK_TLVS |
 */
export function readStatus(message: NetlinkMessage): KernelStatus | undefined {
  if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) return undefined;
  const { payload, flags } = message;
  // Old kernels end some dumps with an empty NLMSG_DONE.
  const errno = payload.length < 4 ? 0 : Math.abs(payload.readInt32LE(0));
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: "", offset: -1 };

  let start = 4;
  if (message.type === NLMSG_ERROR) {
    const capped = (flags & NLM_F_CAPPED) !== 0 || payload.length < 8;
    start += capped ? HEADER_BYTES : align4(payload.readUInt32LE(4));
  }
  return { errno, ...readExtendedAck(new AttributeReader(payload, start)) };
}

function readExtendedAck(attributes: AttributeReader): { text: string; offset: number } {
  let text = "";
  let offset = -1;
  while (attributes.next()) {
    if (attributes.type === NLMSGERR_ATTR_MSG) text = attributes.string();
    else if (attributes.type === NLMSGERR_ATTR_OFFS) offset = attributes.u32();
  }
  attributes.finish();
  return { text, offset };
}
