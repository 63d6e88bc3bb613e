// Addresses are spelled as glibc's inet_ntop does, networks without host bits.
import { expect, test } from "vitest";
import { canonicalAddress, canonicalNetwork } from "../../../src/iptables-promise/address.ts";

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["256.0.0.1", undefined],
  ["10.0.0.01", undefined],
  ["10.0.0", undefined],
  ["::", "::"],
  ["::1", "::1"],
  ["FD00:0:0::1", "fd00::1"],
  ["fd00:0:0:0:1:0:0:0", "fd00::1:0:0:0"],
  ["1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["fd00::", "fd00::"],
  ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
  ["::ffff:a00:1", "::ffff:10.0.0.1"],
  ["::1.2.3.4", "::1.2.3.4"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ["::1.2.3.400", undefined],
  ["1::2::3", undefined],
  ["1:2:3:4:5:6:7", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["12345::", undefined],
  ["", undefined],
  ["web", undefined],
])("address %s", (text, expected) => {
  expect(canonicalAddress(text)).toBe(expected);
});

test.each([
  ["10.0.0.1", "10.0.0.1/32"],
  ["10.1.2.3/16", "10.1.0.0/16"],
  ["10.1.2.3/255.255.254.0", "10.1.2.0/23"],
  ["255.255.255.255/1", "128.0.0.0/1"],
  ["1.2.3.4/0", "0.0.0.0/0"],
  ["1.2.3.4/0.0.0.0", "0.0.0.0/0"],
  ["1.2.3.4/33", undefined],
  ["1.2.3.4/255.0.255.0", undefined],
  ["1.2.3.4/8/8", undefined],
  ["fd00::1", "fd00::1/128"],
  ["fd00:1:2:3:4:5:6:7/33", "fd00:1::/33"],
  ["ffff::/0", "::/0"],
  ["fd00::1/129", undefined],
])("network %s", (text, expected) => {
  expect(canonicalNetwork(text)).toBe(expected);
});
