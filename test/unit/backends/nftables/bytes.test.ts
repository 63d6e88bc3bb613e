import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as bytes from "../../../../src/backends/nftables/bytes.ts";
import { hex } from "./table.ts";

test.each([
  ["an address", bytes.address("10.0.0.1"), "0a000001"],
  ["an IPv6 address", bytes.address("fd00::1"), "fd000000000000000000000000000001"],
  ["a port", bytes.port(8080), "1f900000"],
  ["the last port", bytes.port(65535), "ffff0000"],
  ["a node port", bytes.nodePortKey("TCP", 30080), "0600000075800000"],
  ["a node port of UDP", bytes.nodePortKey("UDP", 30080), "1100000075800000"],
  ["a node port of SCTP", bytes.nodePortKey("SCTP", 30080), "8400000075800000"],
  ["a service port", bytes.vipKey("10.0.0.1", "TCP", 80), "0a0000010600000000500000"],
])("%s", (_what, value, expected) => {
  expect(hex(value)).toBe(expected);
});

test("numbers are little-endian, and read back", () => {
  expect(hex(bytes.u32(0xdeadbeef))).toBe("efbeadde");
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(3), (number, offset) => {
      expect(bytes.readU32("x".repeat(offset) + bytes.u32(number), offset)).toBe(number);
    }),
  );
});

describe("a CIDR's first and last address", () => {
  test.each([
    ["10.0.0.0/8", "0a000000", "0affffff"],
    ["10.0.0.0/31", "0a000000", "0a000001"],
    ["10.0.0.1/32", "0a000001", "0a000001"],
    ["10.16.0.0/12", "0a100000", "0a1fffff"],
    ["0.0.0.0/0", "00000000", "ffffffff"],
    ["fd00:1::/33", "fd000001000000000000000000000000", "fd0000017fffffffffffffffffffffff"],
  ])("%s", (cidr, first, last) => {
    const range = bytes.cidrRange(cidr);
    expect([hex(range.first), hex(range.last)]).toEqual([first, last]);
  });
});

test.each([
  ["10.0.0.1", "0a000002"],
  ["10.0.0.255", "0a000100"],
  ["10.255.255.255", "0b000000"],
  ["255.255.255.255", undefined],
])("after %s", (ip, expected) => {
  const next = bytes.next(bytes.address(ip));
  expect(next && hex(next)).toBe(expected);
});
