import { expect, test } from "vitest";
import { type ElementChange, elementRequests } from "../../../../src/backends/nftables/element-change.ts";
import { ElementReader } from "../../../../src/netlink/nftables/dump-elements.ts";
import { NFT_MSG_NEWSETELEM } from "../../../../src/netlink/nftables/protocol.ts";

/** What the requests do, in their order. */
function requested(...changes: ElementChange[]) {
  return elementRequests({ family: "ip", name: "kp" }, changes).flatMap(({ type, payload }) => {
    const elements = new ElementReader(Buffer.from(payload));
    const all: unknown[] = [];
    while (elements.next()) {
      const what = type === NFT_MSG_NEWSETELEM ? "add" : "delete";
      const value = elements.keyEnd() ?? elements.verdict() ?? elements.data();
      all.push([
        what,
        elements.key(),
        ...(value === undefined ? [] : [value]),
        ...(elements.flags ? ["end"] : []),
      ]);
    }
    return all;
  });
}

const change = (set: string, key: string, before?: string, after?: string): ElementChange => ({
  set,
  key,
  before,
  after,
});

test.each<[string, ElementChange, unknown]>([
  ["of a set appears", change("cluster-ips", "addr", undefined, ""), [["add", "addr"]]],
  ["of a set goes", change("cluster-ips", "addr", "", undefined), [["delete", "addr"]]],
  ["of a map appears", change("endpoints", "key4", undefined, "data"), [["add", "key4", "data"]]],
  [
    "of a map changes",
    change("endpoints", "key4", "old!", "new!"),
    [
      ["delete", "key4"],
      ["add", "key4", "new!"],
    ],
  ],
  [
    "has a verdict",
    change("affinity-services", "key4", undefined, "chain"),
    [["add", "key4", { goto: "chain" }]],
  ],
  ["is a range", change("firewall-allowed", "fromto!!", undefined, ""), [["add", "from", "to!!"]]],
  ["begins an interval", change("service-cidrs", "addrs", undefined, ""), [["add", "addr"]]],
  ["ends an interval", change("service-cidrs", "addre", undefined, ""), [["add", "addr", "end"]]],
])("an element %s", (_what, one, expected) => {
  expect(requested(one)).toEqual(expected);
});

test("everything that goes, goes before anything comes", () => {
  const changes = [
    change("endpoints", "key1", undefined, "new!"),
    change("cluster-ips", "addr", "", undefined),
    change("endpoints", "key2", "old!", undefined),
  ];
  expect(requested(...changes)).toEqual([
    ["delete", "key2"],
    ["delete", "addr"],
    ["add", "key1", "new!"],
  ]);
});
