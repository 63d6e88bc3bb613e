import { describe, expect, test } from "vitest";
import {
  addAddressRequest,
  addLinkAddresses,
  removeAddressRequest,
  removeLinkAddresses,
} from "../../../src/kernel/virtual-addresses.ts";
import {
  decodeMessages,
  encodeRequests,
  type NetlinkRequest,
  NLMSG_ERROR,
} from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import { fromHex, toHex } from "../netlink/hex.ts";

const NLM_F_REQUEST_AND_ACK = 0x5;
const [ENXIO, EEXIST, ENODEV, EADDRNOTAVAIL] = [6, 17, 19, 99];

const sent = (request: NetlinkRequest): string =>
  toHex(encodeRequests([{ ...request, flags: request.flags | NLM_F_REQUEST_AND_ACK }], 0));

describe("requests are those of", () => {
  const ours = { add: addAddressRequest, del: removeAddressRequest };
  const IPV6 = "14000200 fd000096 00000000 00000000 0000000a 14000100 fd000096 00000000 00000000 0000000a";

  test.each([
    [
      "ip addr add 10.96.0.10/32",
      "28000000 14000506 00000000 00000000  02200000 03000000  08000200 0a60000a 08000100 0a60000a",
    ],
    [
      "ip addr del 10.96.0.10/32",
      "28000000 15000500 00000000 00000000  02200000 03000000  08000200 0a60000a 08000100 0a60000a",
    ],
    ["ip addr add fd00:96::a/128 nodad", `40000000 14000506 00000000 00000000  0a800200 03000000 ${IPV6}`],
    ["ip addr del fd00:96::a/128", `40000000 15000500 00000000 00000000  0a800000 03000000 ${IPV6}`],
  ])("`%s`", (command, hex) => {
    const [, , verb, prefix = ""] = command.split(" ");
    const request = ours[verb as keyof typeof ours](3, prefix.split("/")[0] ?? "");
    expect(sent(request)).toBe(toHex(fromHex(hex)));
  });
});

/** A socket to a kernel that refuses requests by their number, counted from 0. */
function kernel(refusals: Readonly<Record<number, number>>) {
  const datagrams: number[] = [];
  const queue: Buffer[] = [];
  let count = 0;
  const socket = new NetlinkSocket({
    portId: 1,
    send: (datagram) => {
      const messages = decodeMessages(Buffer.from(datagram));
      datagrams.push(messages.length);
      for (const { sequence } of messages) {
        const errno = refusals[count++];
        if (errno === undefined) continue;
        const payload = Buffer.alloc(20);
        payload.writeInt32LE(-errno);
        queue.push(encodeRequests([{ type: NLMSG_ERROR, flags: 0, payload }], sequence));
      }
    },
    receive: () => queue.shift(),
    setMembership: () => {},
    close: () => {},
  });
  return { socket, datagrams };
}

describe("outcomes", () => {
  test("an address that is there already is no failure", () => {
    const { socket, datagrams } = kernel({ 1: EEXIST, 2: ENODEV });
    expect(addLinkAddresses(socket, 3, ["10.0.0.1", "10.0.0.2", "fd00::1"])).toEqual([
      { address: "10.0.0.1", result: "changed" },
      { address: "10.0.0.2", result: "unchanged" },
      {
        address: "fd00::1",
        result: "failed",
        error: expect.objectContaining({ code: "ENODEV", message: "add address fd00::1: ENODEV" }),
      },
    ]);
    expect(datagrams).toEqual([3]);
  });

  test("an address that is not there need not be removed", () => {
    const { socket } = kernel({ 0: EADDRNOTAVAIL, 1: ENXIO, 2: EEXIST });
    const outcomes = removeLinkAddresses(socket, 3, ["10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3"]);
    expect(outcomes.map(({ result }) => result)).toEqual(["unchanged", "unchanged", "failed", "changed"]);
  });

  test("thousands go in some datagrams and each has its own outcome", () => {
    const { socket, datagrams } = kernel({ 1234: EEXIST });
    const addresses = Array.from({ length: 2_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
    const outcomes = addLinkAddresses(socket, 3, addresses);
    expect(outcomes.map(({ address }) => address)).toEqual(addresses);
    expect(outcomes.findIndex(({ result }) => result !== "changed")).toBe(1_234);
    expect(datagrams.length).toBeLessThanOrEqual(20);
  });

  test("nothing is sent when one is no address", () => {
    const { socket, datagrams } = kernel({});
    expect(() => addLinkAddresses(socket, 3, ["10.0.0.1", "10.0.0.1/32"])).toThrow(RangeError);
    expect(datagrams).toEqual([]);
  });
});
