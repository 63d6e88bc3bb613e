/** What backends and health-check servers are told of the node. */
import { describe, expect, test } from "vitest";
import type { NodeRecord } from "../../../src/store/parse-node.ts";
import { NodeFacts } from "../../../src/sync/node-facts.ts";

const NODE: NodeRecord = {
  name: "n",
  zone: "",
  internalIPs: ["192.168.1.5", "fd00::5"],
  externalIPs: [],
  podCIDRs: ["10.244.1.0/24", "fd01::/64"],
  eligible: true,
};
const ADDRESSES = {
  local: { IPv4: ["127.0.0.1", "192.168.1.5", "10.9.9.9"], IPv6: ["::1", "fd00::5"] },
  outward: { IPv4: ["10.9.9.9"], IPv6: [] },
};

function facts(nodePortAddresses: readonly string[], node: NodeRecord | undefined): NodeFacts {
  const serviceCIDRs = (family: string) => (family === "IPv4" ? ["10.96.0.0/16"] : []);
  const made = new NodeFacts({ bindAddress: "0.0.0.0", nodePortAddresses });
  made.follow({ serviceCIDRs });
  if (node !== undefined) made.see(node);
  made.take(ADDRESSES);
  return made;
}

describe("node ports answer", () => {
  test.each<[string, readonly string[], readonly string[] | "all"]>([
    ["everywhere by default", [], "all"],
    ["on the primary address", ["primary"], ["192.168.1.5"]],
    ["in the given ranges", ["10.0.0.0/8", "127.0.0.0/8"], ["10.9.9.9", "127.0.0.1"]],
  ])("%s", (_title, configured, expected) => {
    expect(facts(configured, NODE).nodePortAddresses("IPv4")).toEqual(expected);
  });

  test("without a Node, on the address other hosts know", () => {
    expect(facts(["primary"], undefined).nodePortAddresses("IPv4")).toEqual(["10.9.9.9"]);
    expect(facts(["primary"], undefined).nodePortAddresses("IPv6")).toEqual([]);
  });
});

test("a backend gets its own family's part, and the addresses as they are now", async () => {
  const made = facts([], NODE);
  const now = await made.now("IPv4");
  expect(now).toMatchObject({
    nodeIPs: ["192.168.1.5"],
    podCIDR: "10.244.1.0/24",
    serviceCIDRs: ["10.96.0.0/16"],
  });
  expect(now.localAddresses).not.toContain("10.9.9.9");
  expect(made.addresses.local.IPv4).toEqual(now.localAddresses);
  expect(await made.now("IPv6")).toMatchObject({
    nodeIPs: ["fd00::5"],
    podCIDR: "fd01::/64",
    serviceCIDRs: [],
  });
});

test("what the Node lacks for a moment is as it was", async () => {
  const made = facts(["primary"], NODE);
  made.see({ ...NODE, internalIPs: [], podCIDRs: [] });
  expect(made.nodePortAddresses("IPv4")).toEqual(["192.168.1.5"]);
  expect(await made.now("IPv4")).toMatchObject({ nodeIPs: ["192.168.1.5"], podCIDR: "10.244.1.0/24" });
});
