/** A kernel for the library under test: a function from each message to its answers, behind the transport seam. */
import { constants } from "node:os";
import { Ipvs } from "../../../src/ipvs-netlink/ipvs.ts";
import { NetlinkError } from "../../../src/netlink/errors.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import type { Transport } from "../../../src/netlink/transport.ts";
import { fromHex } from "../netlink/hex.ts";
import * as captured from "./captured.ts";

export const IPVS_FAMILY = 0x1c;
const GENL_ID_CTRL = 0x10;

/** What the kernel does with one message: an errno, or messages of the IPVS family before its acknowledgement. */
export type Handler = (message: NetlinkMessage, command: number) => number | readonly Uint8Array[];

/** Answers like netlink: errors always, acknowledgements on demand, dumps with an end in a datagram of its own. */
export class ScriptedKernel implements Transport {
  readonly portId = 1;
  /** Every datagram that came, without the question for the family. */
  readonly datagrams: NetlinkMessage[][] = [];
  closed = false;
  /** What the receive buffer holds; more is lost. */
  capacity = 270;
  readonly #handle: Handler;
  #queue: Buffer[] = [];
  #overflow = false;

  constructor(handle: Handler = () => 0) {
    this.#handle = handle;
  }

  get messages(): NetlinkMessage[] {
    return this.datagrams.flat();
  }

  send(datagram: Uint8Array): void {
    const messages = decodeMessages(Buffer.from(datagram));
    if (messages[0]?.type !== GENL_ID_CTRL) this.datagrams.push(messages);
    for (const message of messages) this.#answer(message);
  }

  receive(): Buffer | undefined {
    if (this.#overflow) {
      this.#overflow = false;
      throw new NetlinkError("receive netlink message", { errno: constants.errno.ENOBUFS });
    }
    return this.#queue.shift();
  }

  setMembership(): void {}

  close(): void {
    this.closed = true;
  }

  #answer(message: NetlinkMessage): void {
    const { type, flags } = message;
    const isFamily = type === GENL_ID_CTRL;
    const family = decodeMessages(fromHex(captured.FAMILY))[0]?.payload ?? Buffer.alloc(0);
    const result = isFamily ? [family] : this.#handle(message, message.payload[0] ?? 0);
    if (typeof result === "number") {
      if (result !== 0 || (flags & NLM_F_ACK) !== 0) this.#reply(message, NLMSG_ERROR, status(result));
      return;
    }
    for (const payload of result) this.#reply(message, IPVS_FAMILY, payload);
    if ((flags & NLM_F_DUMP) === NLM_F_DUMP) this.#reply(message, NLMSG_DONE, status(0));
    else if ((flags & NLM_F_ACK) !== 0) this.#reply(message, NLMSG_ERROR, status(0));
  }

  #reply(to: NetlinkMessage, type: number, payload: Uint8Array): void {
    if (this.#queue.length === this.capacity) this.#overflow = true;
    else this.#queue.push(encodeRequests([{ type, flags: 0, payload }], to.sequence));
  }
}

/** The library on one such kernel. */
export function ipvsOn(kernel: ScriptedKernel): Ipvs {
  return new Ipvs(new NetlinkSocket(kernel), new NetlinkSocket(kernel));
}

/** The only message of captured bytes. */
export function messageOf(hex: string): NetlinkMessage {
  const [message] = decodeMessages(fromHex(hex));
  if (message === undefined) throw new Error("no message");
  return message;
}

/** What the library sent, as one captured message would have it. */
export function asSent(request: NetlinkMessage | undefined, sequence: number): Buffer {
  const { type, flags, payload } = request as NetlinkRequest;
  return encodeRequests([{ type, flags, payload }], sequence);
}

function status(errno: number): Buffer {
  const payload = Buffer.alloc(20);
  payload.writeInt32LE(-errno);
  return payload;
}
