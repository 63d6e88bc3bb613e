import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canonicalCidr,
  canonicalIp,
  contains,
  containsCidr,
  familyOf,
  joinHostPort,
} from "../../../src/model/address.ts";

describe("canonicalIp", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    // Leading zeros are decimal, never octal.
    ["010.0.0.1", "10.0.0.1"],
    ["192.168.001.010", "192.168.1.10"],
    ["0000010.0.0.08", "10.0.0.8"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::FFFF:0a01:0203", "10.1.2.3"],
    ["::ffff:010.0.0.1", "10.0.0.1"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["FD00:0010::000A", "fd00:10::a"],
    ["::1.2.3.4", "::102:304"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    // RFC 5952, section 4.2: one zero group stays, the longest run goes, of equal runs the first.
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["0:0:1:0:0:0:0:0", "0:0:1::"],
  ])("%s is printed as %s", (text, printed) => {
    expect(canonicalIp(text)).toBe(printed);
  });

  test.each([
    "",
    " ",
    " 10.0.0.1",
    "10.0.0.1 ",
    "10.0.0.1\n",
    "10.0.0",
    "10.0.0.1.2",
    "10..0.1",
    ".10.0.0.1",
    "10.0.0.1.",
    "10.0.0.256",
    "10.0.0.-1",
    "10.0.0.0x1",
    "0x0a000001",
    "167772161",
    "10.0.0.1/32",
    "10.0.0.1:80",
    "١٠.0.0.1",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "1::2::3",
    "12345::",
    "fd00::g",
    "fe80::1%eth0",
    "[::1]",
    "::1.2.3",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "fd00::1 ",
    `${"0".repeat(70)}1.0.0.1`,
  ])("%j is no address", (text) => {
    expect(canonicalIp(text)).toBeUndefined();
  });

  test("an address that is already canonical is returned as it is", () => {
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        expect(canonicalIp(ip)).toBe(ip);
      }),
    );
  });

  test("printing is idempotent and keeps the value", () => {
    const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, (value) => {
        const full = value.map((group) => group.toString(16).padStart(4, "0")).join(":");
        const printed = canonicalIp(full.toUpperCase()) ?? "";
        expect(canonicalIp(printed)).toBe(printed);
        // The platform's URL parser is an independent judge of RFC 5952.
        const mapped = value.slice(0, 5).every((group) => group === 0) && value[5] === 0xffff;
        if (!mapped) expect(`[${printed}]`).toBe(new URL(`http://[${full}]/`).hostname);
      }),
    );
  });

  test("texts of any kind are either refused or printed from the alphabet of addresses", () => {
    const text = fc.string({ unit: fc.constantFrom(..."0123456789abcfF.:%/ []\n\"'"), maxLength: 24 });
    fc.assert(
      fc.property(text, (value) => {
        expect(canonicalIp(value) ?? "::").toMatch(/^[0-9a-f.:]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("canonicalCidr", () => {
  test.each([
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3/32", "10.1.2.3/32"],
    ["255.255.255.255/1", "128.0.0.0/1"],
    ["1.2.3.4/0", "0.0.0.0/0"],
    ["010.0.0.0/08", "10.0.0.0/8"],
    ["FD00::1/64", "fd00::/64"],
    ["fd00:ffff::/20", "fd00:f000::/20"],
    ["2001:db8::1/128", "2001:db8::1/128"],
    ["::1/0", "::/0"],
    ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
    ["::ffff:10.1.2.3/96", "0.0.0.0/0"],
  ])("%s is printed as %s", (text, printed) => {
    expect(canonicalCidr(text)).toBe(printed);
  });

  test.each([
    "10.0.0.1",
    "10.0.0.0/",
    "/8",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/+8",
    "10.0.0.0/8 ",
    " 10.0.0.0/8",
    "10.0.0.0/8/8",
    "10.0.0.0/255.0.0.0",
    "fd00::/129",
    "fe80::%eth0/64",
    "::ffff:10.0.0.0/8",
    "fd00::/6e1",
    "",
  ])("%j is no CIDR", (text) => {
    expect(canonicalCidr(text)).toBeUndefined();
  });
});

describe("containsCidr", () => {
  test.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/8", "10.0.0.0/8", true],
    ["10.0.0.0/16", "10.0.0.0/8", false],
    ["10.0.0.0/16", "10.1.0.0/16", false],
    ["0.0.0.0/0", "10.0.0.0/8", true],
    ["0.0.0.0/0", "fd00::/8", false],
    ["::/0", "10.0.0.0/8", false],
    ["fd00::/108", "fd00::10:0/112", false],
    ["fd00::/96", "fd00::10:0/112", true],
  ])("%s contains %s: %s", (outer, inner, expected) => {
    expect(containsCidr(outer, inner)).toBe(expected);
  });
});

describe("contains", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.1.2.3/32", "10.1.2.3", true],
    ["10.1.2.3/32", "10.1.2.4", false],
    ["0.0.0.0/0", "203.0.113.9", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "203.0.113.9", false],
    ["::/0", "fd00::1", true],
    ["fd00:10::/33", "fd00:10:7fff::1", true],
    ["fd00:10::/33", "fd00:10:8000::1", false],
  ])("%s contains %s: %s", (cidr, ip, expected) => {
    expect(contains(cidr, ip)).toBe(expected);
  });
});

test.each([
  ["10.0.0.1", "IPv4", "10.0.0.1:80"],
  ["fd00::1", "IPv6", "[fd00::1]:80"],
] as const)("%s is %s and is joined with a port as %s", (ip, family, joined) => {
  expect(familyOf(ip)).toBe(family);
  expect(joinHostPort(ip, 80)).toBe(joined);
});
