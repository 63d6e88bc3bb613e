/** Datagrams made beforehand, and the time the kernel keeps each. */
import { readStatus } from "../../../src/netlink/errors.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_REQUEST,
} from "../../../src/netlink/messages.ts";
import { openTransport, type Transport } from "../../../src/netlink/transport.ts";

export class RawKernel {
  readonly #transport: Transport;

  /** `protocol` is a NETLINK_… number. */
  constructor(protocol: number) {
    this.#transport = openTransport(protocol);
  }

  /** Sends the datagrams; returns the milliseconds that the system calls took. Throws when the kernel refuses anything. */
  send(datagrams: readonly Uint8Array[]): number {
    const answers: Uint8Array[] = [];
    const started = performance.now();
    for (const datagram of datagrams) {
      this.#transport.send(datagram);
      for (let answer = this.#transport.receive(); answer !== undefined; answer = this.#transport.receive())
        answers.push(Uint8Array.from(answer));
    }
    const ms = performance.now() - started;
    for (const message of answers.flatMap((answer) => decodeMessages(Buffer.from(answer)))) {
      const errno = readStatus(message)?.errno ?? 0;
      if (errno !== 0) throw new Error(`the kernel refused a message: errno ${errno}`);
    }
    return ms;
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }
}

/** Puts so many requests into each datagram; the last of each is acknowledged. */
export function datagramsOf(requests: readonly NetlinkRequest[], perDatagram: number): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  for (let start = 0; start < requests.length; start += perDatagram) {
    const part = requests.slice(start, start + perDatagram);
    const flagged = part.map((request, i) => ({
      ...request,
      flags: request.flags | NLM_F_REQUEST | (i === part.length - 1 ? NLM_F_ACK : 0),
    }));
    datagrams.push(encodeRequests(flagged, 1));
  }
  return datagrams;
}
