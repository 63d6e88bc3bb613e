import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NetlinkFormatError } from "../../../src/netlink/attributes.ts";
import { decodeMessages, encodeRequests } from "../../../src/netlink/messages.ts";
import { fromHex, toHex } from "./hex.ts";

const requests = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 0xffff }),
    flags: fc.integer({ min: 0, max: 0xffff }),
    payload: fc.uint8Array({ maxLength: 50 }),
  }),
  { maxLength: 8 },
);

describe("encodeRequests and decodeMessages", () => {
  test("round trip, with consecutive sequence numbers that wrap", () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 0, max: 0xffffffff }), (sent, first) => {
        const received = decodeMessages(encodeRequests(sent, first));
        expect(received).toEqual(
          sent.map((request, index) => ({
            ...request,
            sequence: (first + index) % 2 ** 32,
            portId: 0,
            payload: Buffer.from(request.payload),
          })),
        );
      }),
    );
  });

  test("encode what `conntrack -L -p udp -f ipv6` sends", () => {
    const datagram = encodeRequests(
      [{ type: 0x0101, flags: 0x301, payload: fromHex("0a000000") }],
      1795226795,
    );
    expect(toHex(datagram)).toBe(toHex(fromHex("14000000 01010103 abfc006b 00000000 0a000000")));
  });

  test.each([
    ["cut off inside the header", "14000000 0300", "netlink message at offset 0 claims 0 bytes of 6"],
    ["cut off inside the payload", "18000000 03000200 01000000 00000000", "claims 24 bytes of 16"],
    ["shorter than its header", "0f000000 03000200 01000000 00000000", "claims 15 bytes of 16"],
    [
      "cut off after a whole one",
      "10000000 03000200 01000000 00000000 14000000",
      "netlink message at offset 16 claims 0 bytes of 4",
    ],
  ])("a message %s is an error", (_what, hex, message) => {
    expect(() => decodeMessages(fromHex(hex))).toThrow(NetlinkFormatError);
    expect(() => decodeMessages(fromHex(hex))).toThrow(message);
  });
});
