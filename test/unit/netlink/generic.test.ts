import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { NetlinkFormatError } from "../../../src/netlink/attributes.ts";
import {
  genericReader,
  genericWriter,
  NETLINK_GENERIC,
  resolveFamily,
} from "../../../src/netlink/generic.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import type { Transport } from "../../../src/netlink/transport.ts";
import { fromHex, toHex } from "./hex.ts";

/** Gives the same answer to everything. */
function answering(hex: string): Transport & { sent: Buffer[] } {
  const queue: Buffer[] = [];
  const sent: Buffer[] = [];
  return {
    portId: 1,
    sent,
    send(datagram) {
      sent.push(Buffer.from(datagram));
      queue.push(fromHex(hex));
    },
    receive: () => queue.shift(),
    setMembership() {},
    close() {},
  };
}

const ACK = "24000000 02000001 01000000 b6020000 00000000 20000000 10000500 01000000 00000000";

test("the header is command, version and two zero bytes", () => {
  const payload = genericWriter(4, 1).u16(1, 2).finish();
  expect(toHex(payload)).toBe(toHex(fromHex("04010000 06000100 02000000")));
  const attributes = genericReader({ type: 0, flags: 0, sequence: 0, portId: 0, payload });
  expect([attributes.next(), attributes.type, attributes.u16(), attributes.next()]).toEqual([
    true,
    1,
    2,
    false,
  ]);
});

describe("resolveFamily", () => {
  test("asks the controller by name (IPVS on Linux 6.1; the list of operations is cut to one)", () => {
    const kernel = answering(`
      58000000 10000000 01000000 b6020000  01020000 09000200 49505653 00000000
      06000100 1c000000 08000300 01000000 08000400 00000000 08000500 06000000
      18000600 14000100 08000100 01000000 08000200 0b000000 ${ACK}`);
    expect(resolveFamily(new NetlinkSocket(kernel), "IPVS")).toEqual({ id: 0x1c, version: 1 });
    expect(kernel.sent.map(toHex)).toEqual([
      toHex(fromHex("20000000 10000500 01000000 00000000 03020000 09000200 49505653 00000000")),
    ]);
  });

  test.each([
    ["an answer without a number", "1c000000 10000000 01000000 b6020000 01020000 08000300 01000000"],
    ["no answer", ""],
  ])("refuses %s", (_what, hex) => {
    expect(() => resolveFamily(new NetlinkSocket(answering(hex + ACK)), "IPVS")).toThrow(NetlinkFormatError);
  });
});

describe.runIf(process.platform === "linux")("the kernel's controller", () => {
  test("knows itself, and does not know what is not there", () => {
    using socket = NetlinkSocket.open(NETLINK_GENERIC);
    expect(resolveFamily(socket, "nlctrl")).toEqual({ id: 0x10, version: 2 });
    expect(() => resolveFamily(socket, "no_such_family")).toThrow(
      expect.objectContaining({
        code: "ENOENT",
        errno: constants.errno.ENOENT,
        message: "find the generic netlink family no_such_family: ENOENT",
      }),
    );
  });
});
