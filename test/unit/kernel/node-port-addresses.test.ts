import { describe, expect, test } from "vitest";
import { resolveNodePortAddresses } from "../../../src/kernel/node-port-addresses.ts";
import type { IpFamily } from "../../../src/model/types.ts";

const LOCAL = {
  IPv4: ["127.0.0.1", "192.168.1.5", "10.0.0.7", "10.0.0.6"],
  IPv6: ["::1", "fd00::5", "fe80::1"],
};
const NODE = { IPv4: "192.168.1.5", IPv6: "fd00::5" };
const ALL = { all: true, includesLoopback: true };
const some = (addresses: string[], includesLoopback = false) => ({ all: false, addresses, includesLoopback });

describe("resolveNodePortAddresses", () => {
  test.each<[string, string[], IpFamily, object]>([
    ["an empty list is all", [], "IPv4", ALL],
    ["an empty list is all", [], "IPv6", ALL],
    ["a CIDR picks, sorted", ["10.0.0.0/8"], "IPv4", some(["10.0.0.6", "10.0.0.7"])],
    ["a family without a CIDR is all", ["10.0.0.0/8"], "IPv6", ALL],
    ["a family without a CIDR is all", ["fd00::/8"], "IPv4", ALL],
    ["a CIDR that matches nothing is no address", ["172.16.0.0/12"], "IPv4", some([])],
    ["a zero CIDR beats the others", ["10.0.0.0/8", "0.0.0.0/0"], "IPv4", ALL],
    ["a zero CIDR beats the others", ["::/0", "fd00::/8"], "IPv6", ALL],
    [
      "a zero CIDR of the other family does not",
      ["10.0.0.0/8", "::/0"],
      "IPv4",
      some(["10.0.0.6", "10.0.0.7"]),
    ],
    ["CIDRs add up", ["10.0.0.6/32", "192.168.0.0/16"], "IPv4", some(["10.0.0.6", "192.168.1.5"])],
    ["loopback is told", ["127.0.0.0/8"], "IPv4", some(["127.0.0.1"], true)],
    ["loopback is told, even its other addresses", ["127.1.0.0/16"], "IPv4", some([], true)],
    ["loopback is told in a bigger range", ["64.0.0.0/2"], "IPv4", some(["127.0.0.1"], true)],
    ["loopback is told", ["::1/128"], "IPv6", some(["::1"], true)],
    ["loopback is told in a bigger range", ["::/8"], "IPv6", some(["::1"], true)],
    ["link-local addresses count", ["fe80::/10"], "IPv6", some(["fe80::1"])],
    ["primary is the node's address", ["primary"], "IPv4", some(["192.168.1.5"])],
    ["primary is the node's address", ["primary"], "IPv6", some(["fd00::5"])],
    ["primary joins CIDRs", ["primary", "10.0.0.7/32"], "IPv4", some(["10.0.0.7", "192.168.1.5"])],
  ])("%s: %j for %s", (_rule, configured, family, expected) => {
    expect(resolveNodePortAddresses(configured, family, LOCAL[family], NODE[family])).toEqual(expected);
  });

  test.each([
    ["no address of the family", { IPv4: "192.168.1.5", IPv6: "" }, "IPv6"],
    ["only loopback (IPv4)", { IPv4: "127.0.0.1", IPv6: "::1" }, "IPv4"],
    ["only loopback (IPv6)", { IPv4: "127.0.0.1", IPv6: "::1" }, "IPv6"],
  ] as const)("primary on a node with %s serves nowhere", (_what, nodeIPs, family) => {
    expect(resolveNodePortAddresses(["primary"], family, LOCAL[family], nodeIPs[family])).toEqual(some([]));
  });
});
