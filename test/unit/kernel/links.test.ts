import { describe, expect, test } from "vitest";
import {
  createDummyRequest,
  decodeLink,
  deleteLinkRequest,
  getLinkRequest,
  LinkKindError,
} from "../../../src/kernel/links.ts";
import { decodeMessages, encodeRequests, type NetlinkRequest } from "../../../src/netlink/messages.ts";
import { fromHex, toHex } from "../netlink/hex.ts";

const NLM_F_REQUEST_AND_ACK = 0x5;

/** With header, as the socket sends it first. */
const sent = (request: NetlinkRequest): string =>
  toHex(encodeRequests([{ ...request, flags: request.flags | NLM_F_REQUEST_AND_ACK }], 0));

describe("requests", () => {
  test("create a dummy device as `ip link add kube-ipvs0 arp off type dummy` does", () => {
    expect(sent(createDummyRequest("kube-ipvs0"))).toBe(
      toHex(
        fromHex(`40000000 10000506 00000000 00000000
          00000000 00000000 80000000 80000000   # flags and mask: IFF_NOARP
          0f000300 6b756265 2d697076 73300000   # IFLA_IFNAME
          10001280 09000100 64756d6d 79000000   # IFLA_LINKINFO { IFLA_INFO_KIND }, where ip omits NLA_F_NESTED`),
      ),
    );
  });

  test("name a link, where the program gives an index", () => {
    const link = "00000000 00000000 00000000 00000000  07000300 76300000";
    expect(sent(getLinkRequest("v0"))).toBe(toHex(fromHex(`28000000 12000500 00000000 00000000 ${link}`)));
    expect(sent(deleteLinkRequest("v0"))).toBe(toHex(fromHex(`28000000 11000500 00000000 00000000 ${link}`)));
  });

  test("take names of 1 to 15 bytes", () => {
    expect(() => getLinkRequest("x".repeat(15))).not.toThrow();
    for (const name of ["", "x".repeat(16), "é".repeat(8)]) {
      expect(() => createDummyRequest(name)).toThrow(RangeError);
    }
  });
});

describe("decodeLink", () => {
  const linkOf = (hex: string) => decodeLink(decodeMessages(fromHex(hex))[0]!);

  test("reads a device of a kind", () => {
    // Received by `ip link del v0`, without most of the attributes, which are none of our business.
    const veth = linkOf(`50000000 10000000 6b100898 00000000
      00000100 03000000 02100000 00000000
      07000300 76300000 08000d00 e8030000 05001000 02000000
      10001200 09000100 76657468 00000000
      08000500 02000000`);
    expect(veth).toEqual({ index: 3, name: "v0", kind: "veth", up: false, noArp: false });
    expect(new LinkKindError(veth, "dummy")).toMatchObject({
      code: "ERR_LINK_KIND",
      link: veth,
      message: "link v0 is no dummy device but a veth",
    });
  });

  test("reads flags, and a device without a kind", () => {
    const loopback = linkOf(`28000000 10000000 6b100898 00000000
      00000403 01000000 c9000100 00000000 07000300 6c6f0000`);
    expect(loopback).toEqual({ index: 1, name: "lo", kind: "", up: true, noArp: true });
  });
});
