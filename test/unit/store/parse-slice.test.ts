/** What of an EndpointSlice is kept. */
import { describe, expect, test } from "vitest";
import type { SliceRecord } from "../../../src/model/types.ts";
import { parseSlice } from "../../../src/store/parse-slice.ts";
import { StringPool } from "../../../src/store/string-pool.ts";
import { endpoint, slice } from "./objects.ts";

const parse = (object: unknown) => parseSlice(object, new StringPool());

function clean(object: unknown): SliceRecord {
  const { record, problems } = parse(object);
  expect(problems).toEqual([]);
  if (!record) throw new Error("no record");
  return record;
}

function flawed(object: unknown) {
  const { record, problems } = parse(object);
  return { record, fields: problems.map(({ field }) => field) };
}

test("a slice becomes a record", () => {
  const object = slice([
    endpoint("10.0.0.1", {}, { zone: "z", targetRef: {}, hostname: "h", deprecatedTopology: {} }),
  ]);
  expect(parse(object)).toEqual({
    key: "ns/web-1",
    record: {
      key: "ns/web-1",
      serviceKey: "ns/web",
      family: "IPv4",
      ports: [{ name: "", protocol: "TCP", port: 8080 }],
      endpoints: [{ ip: "10.0.0.1", ready: true, serving: true, terminating: false, nodeName: "node-b" }],
    },
    problems: [],
  });
});

describe("not ours: no record and no problem", () => {
  test("a headless Service's", () => {
    const labels = { "kubernetes.io/service-name": "web", "service.kubernetes.io/headless": "" };
    expect(parse(slice([], {}, { labels }))).toEqual({ key: "ns/web-1", problems: [] });
  });
});

describe("skipped as a whole, with one problem", () => {
  test.each([
    ["no labels", slice([], {}, { labels: undefined }), 'metadata.labels["kubernetes.io/service-name"]'],
    [
      "empty label",
      slice([], {}, { labels: { "kubernetes.io/service-name": "" } }),
      'metadata.labels["kubernetes.io/service-name"]',
    ],
    [
      "odd label",
      slice([], {}, { labels: { "kubernetes.io/service-name": "a/b" } }),
      'metadata.labels["kubernetes.io/service-name"]',
    ],
    ["FQDN", slice([], { addressType: "FQDN" }), "addressType"],
    ["address type IP", slice([], { addressType: "IP" }), "addressType"],
    ["no address type", slice([], { addressType: undefined }), "addressType"],
  ])("%s", (_title, object, field) => {
    expect(flawed(object)).toEqual({ record: undefined, fields: [field] });
  });
});

test("a slice written by anybody counts", () => {
  const labels = { "kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me" };
  expect(clean(slice([], {}, { labels })).serviceKey).toBe("ns/web");
});

describe("conditions", () => {
  test.each([
    [undefined, true, true, false],
    [null, true, true, false],
    [{}, true, true, false],
    [{ ready: null, serving: null, terminating: null }, true, true, false],
    // Serving does not fall back to ready.
    [{ ready: false }, false, true, false],
    [{ ready: false, serving: false }, false, false, false],
    [{ ready: false, serving: true, terminating: true }, false, true, true],
    [{ ready: true, terminating: true }, true, true, true],
  ])("%j: ready %s, serving %s, terminating %s", (conditions, ready, serving, terminating) => {
    const [record] = clean(slice([{ addresses: ["10.0.0.1"], conditions }])).endpoints;
    expect(record).toEqual({ ip: "10.0.0.1", ready, serving, terminating, nodeName: "" });
  });

  test("a condition that is no boolean skips the endpoint", () => {
    const { record, fields } = flawed(
      slice([endpoint("10.0.0.1", { ready: "false" }), endpoint("10.0.0.2")]),
    );
    expect(fields).toEqual(["endpoints[0].conditions.ready"]);
    expect(record?.endpoints.map(({ ip }) => ip)).toEqual(["10.0.0.2"]);
  });
});

describe("node names", () => {
  test.each([
    ["nodeName", { nodeName: "node-a" }, "node-a"],
    ["none", { nodeName: null }, ""],
    [
      "topology of v1beta1",
      { nodeName: undefined, topology: { "kubernetes.io/hostname": "node-a" } },
      "node-a",
    ],
    [
      "nodeName before topology",
      { nodeName: "node-a", topology: { "kubernetes.io/hostname": "node-b" } },
      "node-a",
    ],
    ["no text", { nodeName: 7 }, ""],
  ])("%s", (_title, fields, expected) => {
    expect(clean(slice([endpoint("10.0.0.1", {}, fields)])).endpoints[0]?.nodeName).toBe(expected);
  });
});

describe("hints", () => {
  test.each([
    ["none", undefined, {}],
    ["empty", {}, {}],
    ["empty lists", { forZones: [], forNodes: [] }, {}],
    ["zones, as a set", { forZones: [{ name: "b" }, { name: "a" }, { name: "b" }] }, { zones: ["a", "b"] }],
    ["nodes", { forNodes: [{ name: "n" }] }, { nodes: ["n"] }],
    ["odd entries", { forZones: [null, {}, { name: "" }, { name: 1 }], forNodes: "n" }, {}],
  ])("%s", (_title, hints, expected) => {
    const [record] = clean(slice([endpoint("10.0.0.1", {}, { hints })])).endpoints;
    expect(record).toEqual({
      ip: "10.0.0.1",
      ready: true,
      serving: true,
      terminating: false,
      nodeName: "node-b",
      ...expected,
    });
  });
});

describe("addresses", () => {
  test("only the first counts, reprinted", () => {
    expect(clean(slice([{ addresses: ["010.0.0.1", "junk"] }])).endpoints[0]?.ip).toBe("10.0.0.1");
    expect(clean(slice([{ addresses: ["FD00::01"] }], { addressType: "IPv6" })).endpoints[0]?.ip).toBe(
      "fd00::1",
    );
  });

  test.each([
    ["unparsable", { addresses: ["pod-1"] }, "IPv4", "KubeProxyInvalidField"],
    ["empty list", { addresses: [] }, "IPv4", "KubeProxyInvalidField"],
    ["no list", {}, "IPv4", "KubeProxyInvalidField"],
    ["IPv6 in an IPv4 slice", { addresses: ["fd00::1"] }, "IPv4", "KubeProxyIncorrectIPVersion"],
    ["IPv4 in an IPv6 slice", { addresses: ["10.0.0.1"] }, "IPv6", "KubeProxyIncorrectIPVersion"],
    [
      "mapped IPv4 in an IPv6 slice",
      { addresses: ["::ffff:10.0.0.1"] },
      "IPv6",
      "KubeProxyIncorrectIPVersion",
    ],
    ["loopback", { addresses: ["127.0.0.1"] }, "IPv4", "KubeProxyInvalidField"],
    ["link-local", { addresses: ["169.254.169.254"] }, "IPv4", "KubeProxyInvalidField"],
    ["loopback of IPv6", { addresses: ["0::1"] }, "IPv6", "KubeProxyInvalidField"],
  ])("%s: the endpoint is skipped, with an event on the Service", (_title, bad, addressType, eventReason) => {
    const good = addressType === "IPv4" ? "10.0.0.2" : "fd00::2";
    const { record, problems } = parse(slice([bad, endpoint(good)], { addressType }));
    expect(problems).toEqual([
      expect.objectContaining({ field: "endpoints[0].addresses[0]", eventReason, serviceKey: "ns/web" }),
    ]);
    expect(record?.endpoints.map(({ ip }) => ip)).toEqual([good]);
  });

  test("an endpoint that is no object is skipped", () => {
    expect(flawed(slice([null, "10.0.0.1", endpoint("10.0.0.2")])).fields).toEqual([
      "endpoints[0]",
      "endpoints[1]",
    ]);
  });
});

describe("ports", () => {
  test.each([
    ["nil protocol is TCP", { name: "a", port: 1 }, "TCP"],
    ["null protocol is TCP", { name: "a", port: 1, protocol: null }, "TCP"],
    ["SCTP", { name: "a", port: 1, protocol: "SCTP" }, "SCTP"],
  ])("%s", (_title, port, protocol) => {
    expect(clean(slice([], { ports: [port] })).ports).toEqual([{ name: "a", protocol, port: 1 }]);
  });

  test.each([
    ["nil name is not the empty name", { port: 1 }, "name"],
    ["null name", { name: null, port: 1 }, "name"],
    ["nil number", { name: "" }, "port"],
    ["number 0", { name: "", port: 0 }, "port"],
    ["number too big", { name: "", port: 65536 }, "port"],
    ["unknown protocol", { name: "", port: 1, protocol: "QUIC" }, "protocol"],
  ])("%s: that port is skipped", (_title, port, field) => {
    const { record, fields } = flawed(slice([], { ports: [port, { name: "b", port: 2 }] }));
    expect(fields).toEqual([`ports[0].${field}`]);
    expect(record?.ports).toEqual([{ name: "b", protocol: "TCP", port: 2 }]);
  });

  test.each([[[]], [null], [undefined]])("ports %j contribute nothing", (ports) => {
    expect(clean(slice([endpoint("10.0.0.1")], { ports })).ports).toEqual([]);
  });
});

test.each([
  ["2026-03-01T10:00:00.123456789Z", Date.UTC(2026, 2, 1, 10) + 123.456789],
  ["not a time", undefined],
  [7, undefined],
])("trigger time %j", (text, expected) => {
  const annotations = { "endpoints.kubernetes.io/last-change-trigger-time": text };
  expect(
    clean(slice([], {}, { annotations, labels: { "kubernetes.io/service-name": "web" } })).triggerTimeMs,
  ).toEqual(expected);
});

test("a slice of 10,000 endpoints keeps them all and shares their repeated texts", () => {
  const endpoints = Array.from({ length: 10_000 }, (_, i) =>
    endpoint(`10.1.${i >> 8}.${i & 255}`, {}, { hints: { forZones: [{ name: `zone-${i % 3}` }] } }),
  );
  const { endpoints: records } = clean(slice(endpoints));
  expect(records).toHaveLength(10_000);
  expect(records[3]?.zones).toBe(records[0]?.zones);
});

test("of thousands of bad endpoints the first ten are reported and the rest counted", () => {
  const { record, problems } = parse(
    slice([...Array(5000).fill({ addresses: ["x"] }), endpoint("10.0.0.1")]),
  );
  expect(record?.endpoints).toHaveLength(1);
  expect(problems).toHaveLength(11);
  expect(problems.at(-1)?.message).toBe("4990 more problems in this object");
});
