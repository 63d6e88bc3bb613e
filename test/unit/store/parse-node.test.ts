/** What the proxy reads of its own Node. */
import { describe, expect, test } from "vitest";
import { parseNode } from "../../../src/store/parse-node.ts";

const node = (fields: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}) => ({
  metadata: { name: "node-a", ...metadata },
  ...fields,
});

test("addresses, pod CIDRs and zone are kept in canonical form and in order", () => {
  const object = node(
    {
      spec: { podCIDR: "10.244.9.0/24", podCIDRs: ["10.244.1.7/24", "FD00::/64"] },
      status: {
        addresses: [
          { type: "Hostname", address: "node-a" },
          { type: "InternalIP", address: "192.168.001.010" },
          { type: "ExternalIP", address: "203.0.113.1" },
          { type: "InternalIP", address: "FD00::A" },
        ],
      },
    },
    { labels: { "topology.kubernetes.io/zone": "zone-a", "failure-domain.beta.kubernetes.io/zone": "old" } },
  );
  expect(parseNode(object)).toEqual({
    key: "node-a",
    record: {
      name: "node-a",
      zone: "zone-a",
      internalIPs: ["192.168.1.10", "fd00::a"],
      externalIPs: ["203.0.113.1"],
      podCIDRs: ["10.244.1.0/24", "fd00::/64"],
      eligible: true,
    },
    problems: [],
  });
});

test.each([
  ["podCIDR alone", { podCIDR: "10.244.1.0/24" }, ["10.244.1.0/24"]],
  ["neither", {}, []],
  ["empty", { podCIDR: "", podCIDRs: [] }, []],
])("pod CIDRs from %s", (_title, spec, expected) => {
  expect(parseNode(node({ spec })).record?.podCIDRs).toEqual(expected);
});

test("the old zone label is not consulted", () => {
  const labels = { "failure-domain.beta.kubernetes.io/zone": "old" };
  expect(parseNode(node({}, { labels })).record?.zone).toBe("");
});

describe("eligible", () => {
  test.each([
    ["a plain node", node(), true],
    ["another taint", node({ spec: { taints: [{ key: "x", effect: "NoSchedule" }, null] } }), true],
    [
      "the autoscaler's taint",
      node({ spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler" }] } }),
      false,
    ],
    ["a deletion timestamp", node({}, { deletionTimestamp: "2026-01-01T00:00:00Z" }), false],
    ["a null deletion timestamp", node({}, { deletionTimestamp: null }), true],
  ])("%s", (_title, object, expected) => {
    expect(parseNode(object).record?.eligible).toBe(expected);
  });
});

test("what cannot be read is skipped and reported", () => {
  const addresses = [
    { type: "InternalIP", address: "x" },
    { type: "InternalIP", address: "10.0.0.1" },
  ];
  const { record, problems } = parseNode(node({ spec: { podCIDRs: ["y"] }, status: { addresses } }));
  expect(problems.map(({ field }) => field)).toEqual(["status.addresses[0].address", "spec.podCIDRs[0]"]);
  expect(record?.internalIPs).toEqual(["10.0.0.1"]);
});

test.each([
  ["no object", 7, ""],
  ["no name", { metadata: {} }, "metadata.name"],
  ["an odd name", { metadata: { name: "a b" } }, "metadata.name"],
])("%s: no record, one problem", (_title, object, field) => {
  const { record, problems } = parseNode(object);
  expect(record).toBeUndefined();
  expect(problems.map((problem) => problem.field)).toEqual([field]);
});
