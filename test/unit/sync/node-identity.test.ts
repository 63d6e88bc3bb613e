import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import type { IpFamily, PerFamily } from "../../../src/model/types.ts";
import type { NodeRecord } from "../../../src/store/parse-node.ts";
import { nodeIPsOf, nodeNameOf } from "../../../src/sync/node-identity.ts";

describe("the node's name", () => {
  test.each([
    { hostnameOverride: "node1", name: "node1" },
    { hostnameOverride: "  Node1.Example.COM ", name: "node1.example.com" },
    { hostnameOverride: "", name: hostname().trim().toLowerCase() },
  ])("is $name for the override $hostnameOverride", ({ hostnameOverride, name }) => {
    expect(nodeNameOf({ hostnameOverride })).toBe(name);
  });

  test("must not be empty", () => {
    expect(() => nodeNameOf({ hostnameOverride: "  " })).toThrow("set --hostname-override");
  });
});

function node(internalIPs: string[], externalIPs: string[] = []): NodeRecord {
  return { name: "n1", zone: "", podCIDRs: [], eligible: true, internalIPs, externalIPs };
}

const OUTWARD = {
  IPv4: ["192.0.2.50", "192.0.2.51"],
  IPv6: ["2001:db8::50"],
};
const NOTHING = { IPv4: [], IPv6: [] };

describe("the node's addresses", () => {
  test.each<
    [
      title: string,
      bindAddress: string,
      node: NodeRecord | undefined,
      outward: PerFamily<readonly string[]>,
      ips: [IPv4: string, IPv6: string],
      primary: IpFamily,
    ]
  >([
    [
      "the Node's first internal ones",
      "0.0.0.0",
      node(["192.0.2.1", "192.0.2.2", "2001:db8::1"], ["198.51.100.1"]),
      OUTWARD,
      ["192.0.2.1", "2001:db8::1"],
      "IPv4",
    ],
    [
      "an IPv6 Node's, with IPv6 first",
      "0.0.0.0",
      node(["2001:db8::1", "192.0.2.1"]),
      OUTWARD,
      ["192.0.2.1", "2001:db8::1"],
      "IPv6",
    ],
    ["of one family only", "::", node(["2001:db8::1"]), OUTWARD, ["", "2001:db8::1"], "IPv6"],
    [
      "external ones where there is no internal one",
      "0.0.0.0",
      node([], ["198.51.100.1"]),
      OUTWARD,
      ["198.51.100.1", ""],
      "IPv4",
    ],
    [
      "an external one beside internal ones of the other family only",
      "0.0.0.0",
      node(["192.0.2.1"], ["198.51.100.1", "2001:db8::9"]),
      OUTWARD,
      ["192.0.2.1", "2001:db8::9"],
      "IPv4",
    ],
    [
      "a bind address goes before the Node's",
      "192.0.2.99",
      node(["2001:db8::1", "192.0.2.1"]),
      OUTWARD,
      ["192.0.2.99", "2001:db8::1"],
      "IPv4",
    ],
    [
      "a bind address of IPv6 makes that the primary family",
      "2001:db8::99",
      node(["192.0.2.1"]),
      OUTWARD,
      ["192.0.2.1", "2001:db8::99"],
      "IPv6",
    ],
    [
      "without a Node, the first ones that lead outward",
      "0.0.0.0",
      undefined,
      OUTWARD,
      ["192.0.2.50", "2001:db8::50"],
      "IPv4",
    ],
    [
      "without a Node, a bind address goes first too",
      "2001:db8::99",
      undefined,
      OUTWARD,
      ["192.0.2.50", "2001:db8::99"],
      "IPv6",
    ],
    ["with nothing at all, loopback", "0.0.0.0", undefined, NOTHING, ["127.0.0.1", ""], "IPv4"],
    ["with nothing at all and bound to IPv6, its loopback", "::", undefined, NOTHING, ["", "::1"], "IPv6"],
    ["a Node without addresses", "0.0.0.0", node([]), OUTWARD, ["127.0.0.1", ""], "IPv4"],
  ])("%s", (_title, bindAddress, record, outward, [IPv4, IPv6], primary) => {
    expect(nodeIPsOf({ bindAddress }, record, outward)).toEqual({ ips: { IPv4, IPv6 }, primary });
  });
});
