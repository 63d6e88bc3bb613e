/** Legacy Endpoints objects become slices. */
import { expect, test } from "vitest";
import { parseEndpoints } from "../../../src/store/parse-endpoints.ts";
import { StringPool } from "../../../src/store/string-pool.ts";

const parse = (object: unknown) => parseEndpoints(object, new StringPool());
const object = (subsets: unknown, metadata: Record<string, unknown> = {}) => ({
  metadata: { namespace: "ns", name: "web", ...metadata },
  subsets,
});
const ready = { ready: true, serving: true, terminating: false };

test("each subset becomes a slice per family, with all its addresses ready", () => {
  const subsets = [
    {
      addresses: [{ ip: "010.0.0.1", nodeName: "node-a" }, { ip: "fd00::1" }],
      notReadyAddresses: [{ ip: "10.0.0.9" }],
      ports: [{ port: 8080 }, { name: "dns", port: 53, protocol: "UDP" }],
    },
    { addresses: [{ ip: "10.0.0.2" }], ports: [{ name: "a", port: 1 }] },
  ];
  const ports = [
    { name: "", protocol: "TCP", port: 8080 },
    { name: "dns", protocol: "UDP", port: 53 },
  ];
  expect(parse(object(subsets))).toEqual({
    key: "ns/web",
    record: [
      {
        key: "ns/web#0/IPv4",
        serviceKey: "ns/web",
        family: "IPv4",
        ports,
        endpoints: [{ ip: "10.0.0.1", ...ready, nodeName: "node-a" }],
      },
      {
        key: "ns/web#0/IPv6",
        serviceKey: "ns/web",
        family: "IPv6",
        ports,
        endpoints: [{ ip: "fd00::1", ...ready, nodeName: "" }],
      },
      {
        key: "ns/web#1/IPv4",
        serviceKey: "ns/web",
        family: "IPv4",
        ports: [{ name: "a", protocol: "TCP", port: 1 }],
        endpoints: [{ ip: "10.0.0.2", ...ready, nodeName: "" }],
      },
    ],
    problems: [],
  });
});

test.each([undefined, null, [], [{}], [{ notReadyAddresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] }]])(
  "subsets %j mean no endpoints",
  (subsets) => {
    expect(parse(object(subsets))).toEqual({ key: "ns/web", record: [], problems: [] });
  },
);

test("a bad address or port is skipped and the rest stays", () => {
  const addresses = [{ ip: "" }, {}, null, { ip: "10.0.0.2" }, { ip: "::1" }];
  const { record, problems } = parse(object([{ addresses, ports: [{ port: 0 }, "x", { port: 1 }] }]));
  expect(problems.map(({ field }) => field)).toEqual([
    "subsets[0].ports[0].port",
    "subsets[0].ports[1]",
    "subsets[0].addresses[0].ip",
    "subsets[0].addresses[1].ip",
    "subsets[0].addresses[2].ip",
    "subsets[0].addresses[4].ip",
  ]);
  expect(record?.[0]).toMatchObject({ ports: [{ port: 1 }], endpoints: [{ ip: "10.0.0.2" }] });
});

test.each(["service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"])(
  "label %s: not ours",
  (label) => {
    const subsets = [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 1 }] }];
    expect(parse(object(subsets, { labels: { [label]: "" } }))).toEqual({ key: "ns/web", problems: [] });
  },
);

test("the trigger time goes to every slice", () => {
  const annotations = { "endpoints.kubernetes.io/last-change-trigger-time": "1970-01-01T00:00:01Z" };
  const { record } = parse(object([{ addresses: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] }], { annotations }));
  expect(record?.map(({ triggerTimeMs }) => triggerTimeMs)).toEqual([1000, 1000]);
});
