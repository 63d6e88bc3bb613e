import { describe, expect, test } from "vitest";
import { specialAddress } from "../../../src/store/special-address.ts";

describe("addresses of the machine or the link are told by kind", () => {
  test.each([
    ["0.0.0.0", "unspecified"],
    ["127.0.0.1", "loopback"],
    ["127.255.0.9", "loopback"],
    ["169.254.0.1", "link-local"],
    ["224.0.0.251", "link-local multicast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["fe80::1", "link-local"],
    ["febf::1", "link-local"],
    ["ff02::fb", "link-local multicast"],
  ])("%s is %s", (ip, what) => {
    expect(specialAddress(ip)).toBe(what);
  });
});

test.each([
  "0.0.0.1",
  "10.0.0.1",
  "126.0.0.1",
  "128.0.0.1",
  "169.253.0.1",
  "169.255.0.1",
  "224.0.1.1",
  "::2",
  "::7f00:1",
  "fec0::1",
  "fd00::1",
  "2001:db8::1",
  "ff05::1",
])("%s is not special", (ip) => {
  expect(specialAddress(ip)).toBeUndefined();
});
