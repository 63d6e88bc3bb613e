import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { NetlinkError } from "../../../src/netlink/errors.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import type { Transport } from "../../../src/netlink/transport.ts";

const ENOBUFS = new NetlinkError("receive netlink message", { errno: constants.errno.ENOBUFS });

/** The kernel as a function from what was sent to the datagrams (or the receive error) it answers with. */
class ScriptedKernel implements Transport {
  readonly portId = 4711;
  readonly sent: NetlinkMessage[][] = [];
  readonly groups = new Set<number>();
  closed = false;
  readonly #answer: (messages: NetlinkMessage[], call: number) => (Buffer | Error)[];
  #queue: (Buffer | Error)[] = [];
  #last: Buffer | undefined;

  constructor(answer: (messages: NetlinkMessage[], call: number) => (Buffer | Error)[]) {
    this.#answer = answer;
  }
  send(datagram: Uint8Array): void {
    const messages = decodeMessages(Buffer.from(datagram));
    this.#queue.push(...this.#answer(messages, this.sent.push(messages)));
  }
  notify(...datagrams: (Buffer | Error)[]): void {
    this.#queue.push(...datagrams);
  }
  /** As promised, and no more: the bytes of the last datagram are gone. */
  receive(): Buffer | undefined {
    this.#last?.fill(0xee);
    const next = this.#queue.shift();
    if (next instanceof Error) throw next;
    this.#last = next === undefined ? undefined : Buffer.from(next);
    return this.#last;
  }
  setMembership(group: number, member: boolean): void {
    if (member) this.groups.add(group);
    else this.groups.delete(group);
  }
  close(): void {
    this.closed = true;
  }
}

const DATA = 0x100;
const ask = { type: 0x101, flags: 0, payload: Buffer.from("ask!") };

function message(sequence: number, type: number, payload: Buffer | string, flags = 0): Buffer {
  return encodeRequests([{ type, flags, payload: Buffer.from(payload) }], sequence);
}
function errnoBytes(errno: number): Buffer {
  const payload = Buffer.alloc(20);
  payload.writeInt32LE(-errno);
  return payload;
}
const ack = (to: NetlinkMessage | undefined, errno = 0) =>
  message(to?.sequence ?? 0, NLMSG_ERROR, errnoBytes(errno));
const data = (to: NetlinkMessage | undefined, text: string, flags = 0) =>
  message(to?.sequence ?? 0, DATA, text, flags);
const done = (to: NetlinkMessage | undefined, errno = 0, flags = 0) =>
  message(to?.sequence ?? 0, NLMSG_DONE, errnoBytes(errno), flags);
const texts = (messages: readonly NetlinkMessage[]) => messages.map(({ payload }) => payload.toString());

describe("request", () => {
  test("asks for an acknowledgement and returns what came before it", () => {
    const kernel = new ScriptedKernel(([to]) => [
      Buffer.concat([data(to, "one."), data(to, "two.")]),
      ack(to),
    ]);
    expect(texts(new NetlinkSocket(kernel).request("ask", ask))).toEqual(["one.", "two."]);
    expect(kernel.sent[0]?.[0]).toMatchObject({ type: 0x101, flags: NLM_F_REQUEST | NLM_F_ACK });
    expect(kernel.sent[0]?.[0]?.payload.toString()).toBe("ask!");
  });

  test("throws what the kernel refuses, and the socket works on", () => {
    const kernel = new ScriptedKernel(([to], call) => [ack(to, call === 1 ? constants.errno.ENOENT : 0)]);
    const socket = new NetlinkSocket(kernel);
    expect(() => socket.request("delete it", ask)).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(socket.request("delete it", ask)).toEqual([]);
  });

  test("ignores a late answer to an earlier request", () => {
    const kernel = new ScriptedKernel(([to], call) =>
      call === 1 ? [] : [message(1, NLMSG_ERROR, errnoBytes(1)), data(to, "mine"), ack(to)],
    );
    const socket = new NetlinkSocket(kernel);
    expect(() => socket.request("ask", ask)).toThrow(expect.objectContaining({ code: "ENODATA" }));
    expect(texts(socket.request("ask", ask))).toEqual(["mine"]);
  });

  test("reports an answer lost to a full receive buffer", () => {
    const kernel = new ScriptedKernel(() => [ENOBUFS]);
    expect(() => new NetlinkSocket(kernel).request("ask", ask)).toThrow(
      expect.objectContaining({ code: "ENOBUFS", message: "ask: ENOBUFS" }),
    );
  });
});

describe("exchange", () => {
  const asks = [ask, { ...ask, flags: NLM_F_ACK }, ask];

  test("sends one datagram and gives each request its own reply", () => {
    const kernel = new ScriptedKernel(([, second, third]) => [
      ack(second),
      ack(third, constants.errno.EBUSY),
    ]);
    const replies = new NetlinkSocket(kernel).exchange(asks);
    expect(kernel.sent).toHaveLength(1);
    expect(replies.map((reply) => reply.status?.errno)).toEqual([undefined, 0, constants.errno.EBUSY]);
  });

  test("marks what an overflow leaves unknown, and keeps what arrived", () => {
    const kernel = new ScriptedKernel(([first, second]) => [ack(first), ENOBUFS, ack(second)]);
    const replies = new NetlinkSocket(kernel).exchange(asks);
    expect(replies.map((reply) => reply.status?.errno)).toEqual([0, 0, constants.errno.ENOBUFS]);
  });
});

describe("notifications", () => {
  test("are all that is queued, each with the port id of who made the change", () => {
    const kernel = new ScriptedKernel(() => []);
    const socket = new NetlinkSocket(kernel);
    socket.join(7);
    expect([...kernel.groups]).toEqual([7]);
    const foreign = data(undefined, "one.");
    foreign.writeUInt32LE(99, 12);
    kernel.notify(Buffer.concat([foreign, data(undefined, "two.")]), data(undefined, "three"));
    const { messages, overflow } = socket.receiveQueued();
    expect(texts(messages)).toEqual(["one.", "two.", "three"]);
    expect(messages.map(({ portId }) => portId)).toEqual([99, 0, 0]);
    expect(overflow).toBe(false);
    expect(socket.portId).toBe(4711);
    socket.leave(7);
    expect([...kernel.groups]).toEqual([]);
    expect(socket.receiveQueued()).toEqual({ messages: [], overflow: false });
  });

  test("that were lost are reported, and the rest is not", () => {
    const kernel = new ScriptedKernel(() => []);
    kernel.notify(data(undefined, "one."), ENOBUFS, data(undefined, "two."));
    const { messages, overflow } = new NetlinkSocket(kernel).receiveQueued();
    expect(texts(messages)).toEqual(["one.", "two."]);
    expect(overflow).toBe(true);
  });
});

describe("dump", () => {
  async function collect(dump: AsyncIterable<readonly NetlinkMessage[]>): Promise<string[][]> {
    const parts: string[][] = [];
    for await (const part of dump) parts.push(texts(part));
    return parts;
  }

  test("streams every datagram up to the end", async () => {
    const kernel = new ScriptedKernel(([to]) => [
      Buffer.concat([data(to, "a..."), data(to, "b...")]),
      data(to, "c..."),
      Buffer.concat([data(to, "d..."), done(to)]),
    ]);
    const socket = new NetlinkSocket(kernel);
    expect(await collect(socket.dump("list", ask))).toEqual([["a...", "b..."], ["c..."], ["d..."]]);
    expect(kernel.sent[0]?.[0]?.flags).toBe(NLM_F_REQUEST | NLM_F_DUMP);
    expect(kernel.closed).toBe(false);
  });

  test("gives other work a turn", async () => {
    const kernel = new ScriptedKernel(([to]) => [...new Array<Buffer>(40).fill(data(to, "more")), done(to)]);
    let turns = 0;
    let running = true;
    const count = () => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await collect(new NetlinkSocket(kernel).dump("list", ask));
    running = false;
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  test("repeats an inconsistent dump as a whole", async () => {
    const kernel = new ScriptedKernel(([to], call) =>
      call < 3 ? [data(to, "torn", NLM_F_DUMP_INTR), done(to)] : [data(to, "good"), done(to)],
    );
    expect(texts(await new NetlinkSocket(kernel).dumpAll("list", ask))).toEqual(["good"]);
    expect(kernel.sent).toHaveLength(3);
  });

  test("gives up on a dump that never becomes consistent", async () => {
    const kernel = new ScriptedKernel(([to]) => [data(to, "torn"), done(to, 0, NLM_F_DUMP_INTR)]);
    await expect(new NetlinkSocket(kernel).dumpAll("list", ask)).rejects.toMatchObject({ code: "EINTR" });
    expect(kernel.sent).toHaveLength(5);
  });

  test.each([
    ["a refusal", (to: NetlinkMessage | undefined) => [ack(to, constants.errno.EPERM)], "EPERM", false],
    [
      "a failure at its end",
      (to: NetlinkMessage | undefined) => [done(to, constants.errno.ENOMEM)],
      "ENOMEM",
      false,
    ],
    ["lost datagrams", (to: NetlinkMessage | undefined) => [data(to, "a..."), ENOBUFS], "ENOBUFS", true],
    ["a missing end", (to: NetlinkMessage | undefined) => [data(to, "a...")], "ENODATA", true],
  ])("throws on %s and closes the socket if answers may follow", async (_what, answer, code, closed) => {
    const kernel = new ScriptedKernel(([to]) => answer(to));
    await expect(new NetlinkSocket(kernel).dumpAll("list", ask)).rejects.toMatchObject({ code });
    expect(kernel.closed).toBe(closed);
  });

  test("closes the socket when it is not read to its end, and forbids requests meanwhile", async () => {
    const kernel = new ScriptedKernel(([to]) => [data(to, "a..."), data(to, "b..."), done(to)]);
    const socket = new NetlinkSocket(kernel);
    for await (const _part of socket.dump("list", ask)) {
      expect(() => socket.request("ask", ask)).toThrow("a dump is in progress");
      break;
    }
    expect(kernel.closed).toBe(true);
  });
});
