import { describe, expect, test } from "vitest";
import {
  decodeUdpFlow,
  deleteRequest,
  type FlowTuple,
  listRequest,
  type UdpFlow,
} from "../../../src/kernel/conntrack.ts";
import { decodeMessages, encodeRequests, type NetlinkMessage } from "../../../src/netlink/messages.ts";
import { fromHex, toHex } from "../netlink/hex.ts";

// Received by `conntrack -L -p udp -f ipv4` after `conntrack -I -p udp -s 10.0.0.1 -d 10.96.0.10 --sport 1111 --dport 53
// -t 100 --reply-src 10.1.0.2 --reply-dst 10.0.0.1 --reply-port-src 5353 --reply-port-dst 1111`.
const LISTED_IPV4 = fromHex(`
  c0000000 00012200 abfc006b 521c0000  02000000
  34000180 14000180 08000100 0a000001 08000200 0a60000a   # original tuple: addresses
           1c000280 05000100 11000000 06000200 04570000 06000300 00350000   # protocol and ports
  34000280 14000180 08000100 0a010002 08000200 0a000001   # reply tuple
           1c000280 05000100 11000000 06000200 14e90000 06000300 04570000
  08000300 00000008 08000800 00000000   # status, mark
  08000c00 97c68de5                     # id
  08000b00 00000001 08000700 00000063   # use, timeout
  1c001880 08000100 00000000 08000200 00000000 08000300 00000000`);

// The same over IPv6 and in zone 7: `conntrack -L -p udp -f ipv6` after `conntrack -I -p udp -s fd00::1 -d fd96::a … -w 7`.
const LISTED_IPV6 = fromHex(`
  f8000000 00012200 abfc006b 6a1c0000  0a000000
  4c000180 2c000180 14000300 fd000000 00000000 00000000 00000001 14000400 fd960000 00000000 00000000 0000000a
           1c000280 05000100 11000000 06000200 04570000 06000300 00350000
  4c000280 2c000180 14000300 fd000001 00000000 00000000 00000002 14000400 fd000000 00000000 00000000 00000001
           1c000280 05000100 11000000 06000200 14e90000 06000300 04570000
  06001200 00070000                     # zone
  08000300 00000008 08000800 00000000
  08000c00 7945019a                     # id
  08000b00 00000001 08000700 00000063
  1c001880 08000100 00000000 08000200 00000000 08000300 00000000`);

// Sent by `conntrack -D -p udp -f ipv6` for it, up to the end of the original tuple (it sends the rest of the entry too).
const DELETE_IPV6 = fromHex(`
  e8000000 02010500 abfc006b 00000000  0a000000
  4c000180 2c000180 14000300 fd000000 00000000 00000000 00000001 14000400 fd960000 00000000 00000000 0000000a
           1c000280 05000100 11000000 06000200 04570000 06000300 00350000`);
// Sent by `conntrack -D -p udp -f ipv4`, likewise.
const DELETE_IPV4 = fromHex(`
  b0000000 02010500 abfc006b 00000000  02000000
  34000180 14000180 08000100 0a000001 08000200 0a60000a
           1c000280 05000100 11000000 06000200 04570000 06000300 00350000`);

const FLOW_IPV4: UdpFlow = {
  family: "IPv4",
  origSrc: "10.0.0.1",
  origDst: "10.96.0.10",
  origSrcPort: 1111,
  origDstPort: 53,
  replySrc: "10.1.0.2",
  replySrcPort: 5353,
  zone: 0,
  id: 0x97c68de5,
};
const FLOW_IPV6: UdpFlow = {
  ...FLOW_IPV4,
  family: "IPv6",
  origSrc: "fd00::1",
  origDst: "fd96::a",
  replySrc: "fd00:1::2",
  zone: 7,
  id: 0x7945019a,
};

function only(datagram: Buffer): NetlinkMessage {
  const [message] = decodeMessages(datagram);
  if (message === undefined) throw new Error("no message");
  return message;
}

/** A copy with the bytes at `offset` replaced. */
function patched(datagram: Buffer, offset: number, ...bytes: number[]): Buffer {
  const copy = Buffer.from(datagram);
  copy.set(bytes, offset);
  return copy;
}

describe("decodeUdpFlow", () => {
  test.each([
    ["IPv4", LISTED_IPV4, FLOW_IPV4],
    ["IPv6 in a zone", LISTED_IPV6, FLOW_IPV6],
  ])("reads an %s entry as the kernel dumps it", (_what, datagram, flow) => {
    expect(decodeUdpFlow(only(datagram), flow.family)).toEqual(flow);
  });

  test("takes the zone from the original tuple when it holds for that direction alone", () => {
    const tuple = LISTED_IPV4.subarray(20, 20 + 52);
    const zoned = Buffer.concat([patched(tuple, 0, 60), fromHex("06000300 00090000")]);
    const datagram = Buffer.concat([LISTED_IPV4.subarray(0, 20), zoned, LISTED_IPV4.subarray(72)]);
    datagram.writeUInt32LE(datagram.length);
    expect(decodeUdpFlow(only(datagram), "IPv4")).toEqual({ ...FLOW_IPV4, zone: 9 });
  });

  test("skips other families and protocols, which old kernels do not filter", () => {
    expect(decodeUdpFlow(only(LISTED_IPV6), "IPv4")).toBeUndefined();
    const protocolNumber = 20 + 4 + 20 + 4 + 4;
    expect(LISTED_IPV4[protocolNumber]).toBe(17);
    expect(decodeUdpFlow(only(patched(LISTED_IPV4, protocolNumber, 6)), "IPv4")).toBeUndefined();
  });

  test("refuses an entry that is cut off", () => {
    const cut = Buffer.from(LISTED_IPV4.subarray(0, 60));
    cut.writeUInt32LE(cut.length);
    expect(() => decodeUdpFlow(only(cut), "IPv4")).toThrow("attribute 1 claims 52 bytes of 40");
  });
});

function withoutId({ id: _, ...tuple }: UdpFlow): FlowTuple {
  return tuple;
}

describe("deleteRequest", () => {
  test.each([
    ["IPv4", FLOW_IPV4, DELETE_IPV4, "08000c00 97c68de5"],
    ["IPv6 in a zone", FLOW_IPV6, DELETE_IPV6, "06001200 00070000 08000c00 7945019a"],
    ["IPv4, without an id,", withoutId(FLOW_IPV4), DELETE_IPV4, ""],
  ])("names an %s entry by tuple (as conntrack -D does), zone and id", (_what, flow, captured, rest) => {
    const sent = encodeRequests([deleteRequest(flow)], 0x6b00fcab);
    const expected = Buffer.concat([captured, fromHex(rest)]);
    expected.writeUInt32LE(expected.length);
    expected.writeUInt16LE(0x4, 6); // NLM_F_REQUEST is the socket's to add
    expect(toHex(sent)).toBe(toHex(expected));
  });
});

describe("listRequest", () => {
  test.each([
    ["IPv4", "02"],
    ["IPv6", "0a"],
  ] as const)("asks for UDP of %s only", (family, number) => {
    const { type, payload } = listRequest(family);
    expect(type).toBe(0x0101);
    const filter = "10000180 0c000280 05000100 11000000  0c001980 08000100 08000000";
    expect(toHex(payload)).toBe(toHex(fromHex(`${number}000000 ${filter}`)));
  });
});
