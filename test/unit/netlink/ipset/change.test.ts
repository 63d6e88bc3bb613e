/** Adding and deleting entries, with a kernel that is a function from one request to an error. */
import { expect, test } from "vitest";
import { addEntries, deleteEntries } from "../../../../src/netlink/ipset/change.ts";
import { decodeEntries, type SetSpec } from "../../../../src/netlink/ipset/requests.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkMessage,
  NLM_F_EXCL,
  NLMSG_ERROR,
} from "../../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../../src/netlink/socket.ts";

const IPSET_CMD_ADD = 0x609;
const IPSET_ERR_EXIST = 4103;
const TYPE_SPECIFIC = 4352;
const ENOENT = 2;

const SET: SetSpec = { name: "s", type: "hash:ip,port", family: "inet" };
const entry = (number: number) => `10.0.0.${number >> 8},tcp:${number & 0xff}`;

/** A socket to a kernel that answers a request with an errno, or with silence for 0; and what was sent to it. */
function kernel(answer: (message: NetlinkMessage, texts: readonly string[]) => number) {
  const datagrams: NetlinkMessage[][] = [];
  const queue: Buffer[] = [];
  const socket = new NetlinkSocket({
    portId: 1,
    send: (datagram) => {
      const messages = decodeMessages(Buffer.from(datagram));
      datagrams.push(messages);
      for (const message of messages) {
        const errno = answer(message, decodeEntries(message, SET));
        const payload = Buffer.alloc(20);
        payload.writeInt32LE(-errno);
        const reply = encodeRequests([{ type: NLMSG_ERROR, flags: 0, payload }], message.sequence);
        if (errno !== 0) queue.push(reply);
      }
    },
    receive: () => queue.shift(),
    setMembership: () => {},
    close: () => {},
  });
  return { socket, datagrams };
}

test("entries go in few messages", () => {
  const { socket, datagrams } = kernel(() => 0);
  const entries = Array.from({ length: 2_000 }, (_, i) => entry(i));
  expect(addEntries(socket, SET, entries)).toEqual([]);
  expect(datagrams.flat().flatMap((message) => decodeEntries(message, SET))).toEqual(entries);
  expect(datagrams.length).toBeLessThan(4);
  for (const { type, flags } of datagrams.flat()) {
    expect(type).toBe(IPSET_CMD_ADD);
    expect(flags & NLM_F_EXCL).toBe(0);
  }
});

test("when a list is refused, its entries go one by one and each refusal is told", () => {
  const bad = [entry(5), entry(7)];
  // An entry by itself is no list.
  const { socket, datagrams } = kernel((message, texts) => {
    if (texts.length > 0) return texts.some((text) => bad.includes(text)) ? TYPE_SPECIFIC : 0;
    return message.payload.includes(Buffer.from([0, 5, 0, 0])) ? TYPE_SPECIFIC : 0;
  });
  const failures = addEntries(socket, SET, [entry(1), entry(5), entry(9)]);
  expect(failures).toEqual([
    expect.objectContaining({
      name: "IpsetEntryError",
      entry: entry(5),
      code: "IPSET_ERR_HASH_FULL",
      errno: TYPE_SPECIFIC,
      message: expect.stringContaining(`add to set s: ${entry(5)}: `),
    }),
  ]);
  expect(datagrams.map((messages) => messages.length)).toEqual([1, 3]);
});

test("what numbers mean depends on the type", () => {
  const { socket } = kernel(() => TYPE_SPECIFIC);
  const [failure] = addEntries(socket, { ...SET, type: "bitmap:port" }, ["80"]);
  expect(failure?.code).toBe("IPSET_ERR_BITMAP_RANGE");
});

test("strict: each entry by itself, and not twice", () => {
  const { socket, datagrams } = kernel(() => IPSET_ERR_EXIST);
  const failures = deleteEntries(socket, SET, [entry(1), entry(2)], { strict: true });
  expect(failures.map((failure) => [failure.entry, failure.code])).toEqual([
    [entry(1), "IPSET_ERR_EXIST"],
    [entry(2), "IPSET_ERR_EXIST"],
  ]);
  expect(datagrams.map((messages) => messages.map(({ flags }) => flags & NLM_F_EXCL))).toEqual([
    [NLM_F_EXCL, NLM_F_EXCL],
  ]);
});

test("a missing set is an error of the whole", () => {
  const { socket, datagrams } = kernel(() => ENOENT);
  expect(() => addEntries(socket, SET, [entry(1), entry(2)])).toThrow(
    expect.objectContaining({ name: "IpsetError", code: "ENOENT", message: "add entries of set s: ENOENT" }),
  );
  expect(datagrams).toHaveLength(1);
});

test("nothing is sent when one text is no entry", () => {
  const { socket, datagrams } = kernel(() => 0);
  const entries = Array.from({ length: 2_000 }, (_, i) => entry(i));
  expect(() => addEntries(socket, SET, [...entries, "10.0.0.1"])).toThrow(RangeError);
  expect(datagrams).toEqual([]);
});
