import { isIPv6, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAddress, encodeAddress } from "../../../src/netlink/inet.ts";
import { toHex } from "./hex.ts";

describe("decodeAddress and encodeAddress", () => {
  test("round trip for every IPv4 address", () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(decodeAddress(encodeAddress(text))).toBe(text);
      }),
    );
  });

  test("print IPv6 as the C library does, but for IPv4 inside of it", () => {
    // Many zeros, so that there are runs to shorten.
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        fc.pre(groups.slice(0, 5).some((value) => value !== 0));
        const long = groups.map((value) => value.toString(16)).join(":");
        const text = decodeAddress(encodeAddress(long));
        expect(text).toBe(new SocketAddress({ address: long, family: "ipv6" }).address);
        expect(encodeAddress(text)).toEqual(encodeAddress(long));
      }),
    );
  });

  test("read every form of IPv6", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        fc.pre(isIPv6(text));
        const canonical = decodeAddress(encodeAddress(text));
        expect(new SocketAddress({ address: canonical, family: "ipv6" }).address).toBe(
          new SocketAddress({ address: text, family: "ipv6" }).address,
        );
      }),
    );
  });

  test.each([
    ["::", "00 00 00 00\n".repeat(4).trimEnd()],
    ["::ffff:10.1.2.3", "00 00 00 00\n00 00 00 00\n00 00 ff ff\n0a 01 02 03"],
    ["fd00::1", "fd 00 00 00\n00 00 00 00\n00 00 00 00\n00 00 00 01"],
    ["10.1.2.3", "0a 01 02 03"],
  ])("encode %s", (text, bytes) => {
    expect(toHex(encodeAddress(text))).toBe(bytes);
  });

  test.each(["", "10.1.2", "10.1.2.256", "fe80::1%eth0", "[::1]", "name"])("refuse %j", (text) => {
    expect(() => encodeAddress(text)).toThrow(RangeError);
  });

  test("refuse bytes of another length", () => {
    expect(() => decodeAddress(new Uint8Array(0))).toThrow("not an IP address: 0 bytes");
    expect(() => decodeAddress(new Uint8Array(6))).toThrow(RangeError);
  });
});
