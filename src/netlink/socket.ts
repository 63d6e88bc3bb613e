/**
 * Requests and dumps over one netlink socket. Requests are synchronous, because the kernel handles them inside send(2);
 * dumps give way to the event loop between datagrams.
 */
import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isNetlinkError, type KernelStatus, NetlinkError, readStatus } from "./errors.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
} from "./messages.ts";
import { openTransport, type Transport, type TransportOptions } from "./transport.ts";

/** How often a dump that the kernel reports as inconsistent is tried, before its error reaches the caller. */
const DUMP_ATTEMPTS = 5;
/** Datagrams (32 KiB at most, some hundred entries) of a dump handled before the event loop gets its turn. */
const DATAGRAMS_PER_TURN = 8;

/** What the kernel answered to one request. */
export interface Reply {
  readonly messages: readonly NetlinkMessage[];
  /** Undefined when the kernel neither acknowledged nor refused the request. */
  readonly status: KernelStatus | undefined;
}

/** What was waiting in the receive buffer. */
export interface Received {
  readonly messages: readonly NetlinkMessage[];
  /** The buffer was full at some time: messages are missing. */
  readonly overflow: boolean;
}

/** A netlink socket in the process's network namespace. `using` closes it. */
export class NetlinkSocket {
  readonly #transport: Transport;
  #sequence = 0;
  #dumping = false;

  /** `protocol` is a NETLINK_… number of linux/netlink.h. Throws a NetlinkError when the kernel lacks it. */
  static open(protocol: number, options: TransportOptions = {}): NetlinkSocket {
    return new NetlinkSocket(openTransport(protocol, options));
  }

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The socket's port id, as in the messages that notify of changes made through it. */
  get portId(): number {
    return this.#transport.portId;
  }

  close(): void {
    this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Sends one request with NLM_F_ACK and returns the messages that came before the acknowledgement.
   * Throws a NetlinkError that starts with `operation` when the kernel refuses.
   */
  request(operation: string, request: NetlinkRequest): readonly NetlinkMessage[] {
    const [reply] = this.exchange([{ ...request, flags: request.flags | NLM_F_ACK }]);
    if (reply?.status?.errno === 0) return reply.messages;
    throw new NetlinkError(operation, reply?.status ?? { errno: constants.errno.ENODATA });
  }

  /**
   * Sends several requests in one datagram and returns a reply for each, in their order. Only requests with NLM_F_ACK
   * are acknowledged, but every refused one has its status. Replies that overflowed the receive buffer are lost: their
   * requests, whose outcome is unknown, get ENOBUFS.
   */
  exchange(requests: readonly NetlinkRequest[]): readonly Reply[] {
    const first = this.#send(requests);
    const replies = requests.map(() => ({
      messages: [] as NetlinkMessage[],
      status: undefined as Reply["status"],
    }));
    const { messages, overflow } = this.receiveQueued();
    for (const message of messages) {
      // A late answer to an earlier request is none of ours.
      const reply = replies[(message.sequence - first) >>> 0];
      if (reply === undefined) continue;
      const status = readStatus(message);
      if (status === undefined) reply.messages.push(message);
      else reply.status = status;
    }
    if (!overflow) return replies;
    const lost = { errno: constants.errno.ENOBUFS, text: "", offset: -1 };
    return replies.map((reply) => ({ messages: reply.messages, status: reply.status ?? lost }));
  }

  /** Joins a multicast group (a number, not a bit). Use a socket of its own: requests would skip over notifications. */
  join(group: number): void {
    this.#transport.setMembership(group, true);
  }

  /** Leaves a multicast group; what is queued stays. */
  leave(group: number): void {
    this.#transport.setMembership(group, false);
  }

  /** Everything that is queued. Never waits. */
  receiveQueued(): Received {
    const messages: NetlinkMessage[] = [];
    let overflow = false;
    for (;;) {
      try {
        const datagram = this.#transport.receive();
        if (datagram === undefined) return { messages, overflow };
        messages.push(...decodeMessages(Buffer.from(datagram)));
      } catch (error) {
        if (!isNetlinkError(error, "ENOBUFS")) throw error;
        overflow = true;
      }
    }
  }

  /**
   * Streams a dump, one array of messages per datagram. Entries may come twice when the table changes meanwhile.
   * Throws EINTR at the end when the kernel says that the dump is inconsistent, ENOBUFS when a part of it was lost.
   * A dump that is not read to its end closes the socket, as its rest would mix with the next answer.
   * Payloads are valid until the next step.
   */
  async *dump(operation: string, request: NetlinkRequest): AsyncGenerator<readonly NetlinkMessage[], void> {
    const sequence = this.#send([{ ...request, flags: request.flags | NLM_F_DUMP }]);
    this.#dumping = true;
    let interrupted = false;
    try {
      for (let datagrams = 1; this.#dumping; datagrams++) {
        if (datagrams % DATAGRAMS_PER_TURN === 0) await nextTurn();
        const messages = this.#receiveDumped(operation, sequence);
        const end = messages.find((message) => readStatus(message) !== undefined);
        interrupted ||= messages.some((message) => (message.flags & NLM_F_DUMP_INTR) !== 0);
        if (end !== undefined) this.#endDump(operation, end);
        yield end === undefined ? messages : messages.filter((message) => message !== end);
      }
    } finally {
      if (this.#dumping) this.close();
      this.#dumping = false;
    }
    if (interrupted) throw new NetlinkError(operation, { errno: constants.errno.EINTR });
  }

  /** The whole of a dump, consistent: repeated a few times while the kernel reports changes during the dump. */
  dumpAll(operation: string, request: NetlinkRequest): Promise<NetlinkMessage[]> {
    return untilConsistent(async () => {
      const messages: NetlinkMessage[] = [];
      for await (const part of this.dump(operation, request)) {
        for (const message of part) messages.push({ ...message, payload: Buffer.from(message.payload) });
      }
      return messages;
    });
  }

  /** Sends requests in one datagram; returns the sequence number of the first. */
  #send(requests: readonly NetlinkRequest[]): number {
    if (this.#dumping) throw new Error("netlink: a dump is in progress on this socket");
    const first = (this.#sequence + 1) >>> 0;
    this.#sequence = (this.#sequence + requests.length) >>> 0;
    const flagged = requests.map((request) => ({ ...request, flags: request.flags | NLM_F_REQUEST }));
    this.#transport.send(encodeRequests(flagged, first));
    return first;
  }

  #receiveDumped(operation: string, sequence: number): NetlinkMessage[] {
    const datagram = this.#transport.receive();
    if (datagram === undefined) throw new NetlinkError(operation, { errno: constants.errno.ENODATA });
    return decodeMessages(datagram).filter((message) => message.sequence === sequence);
  }

  /** Takes note of the message that ends a dump; throws what it reports. */
  #endDump(operation: string, end: NetlinkMessage): void {
    this.#dumping = false;
    const status = readStatus(end);
    if (status !== undefined && status.errno !== 0) throw new NetlinkError(operation, status);
  }
}

/** Repeats a reading that ended with EINTR, the kernel's word for a dump that changes tore apart; a few times at most. */
export async function untilConsistent<T>(read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (attempt === DUMP_ATTEMPTS || !isNetlinkError(error, "EINTR")) throw error;
    }
  }
}
