/** The join of Services and slices: matching, duplicates, order, and what a service port carries over. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolve } from "../../../src/model/resolve.ts";
import type { SliceRecord } from "../../../src/model/types.ts";
import { endpoint, NODE, octets, portRecord, resolveOne, serviceRecord, sliceRecord } from "./records.ts";

describe("resolve", () => {
  test("carries the Service's facts over to the port", () => {
    const service = serviceRecord({
      clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00::1" },
      ports: [portRecord({ name: "dns", protocol: "UDP", port: 53, nodePort: 30053 })],
      externalIPs: { IPv4: ["192.0.2.1"], IPv6: ["2001:db8::1"] },
      loadBalancerIPs: { IPv4: ["192.0.2.2"], IPv6: [] },
      sourceRanges: { IPv4: ["10.0.0.0/8"], IPv6: [] },
      affinitySeconds: 60,
      externalPolicyLocal: true,
      healthCheckNodePort: 31000,
      proxyProtocol: 2,
    });
    expect(resolve(service, [], NODE, "IPv4")).toEqual([
      {
        serviceKey: "ns/web",
        namespace: "ns",
        name: "web",
        portName: "dns",
        label: "ns/web:dns",
        family: "IPv4",
        protocol: "UDP",
        clusterIP: "10.96.0.1",
        port: 53,
        nodePort: 30053,
        externalIPs: ["192.0.2.1"],
        loadBalancerIPs: ["192.0.2.2"],
        sourceRanges: ["10.0.0.0/8"],
        affinitySeconds: 60,
        internalPolicyLocal: false,
        externalPolicyLocal: true,
        healthCheckNodePort: 31000,
        proxyProtocol: 2,
        externallyAccessible: true,
        hasAnyEndpoints: false,
        clusterEndpoints: [],
        localEndpoints: [],
        reachableEndpoints: [],
        servingEndpoints: [],
        localReadyIPs: [],
        listedEndpoints: 0,
      },
    ]);
    expect(resolve(service, [], NODE, "IPv6")[0]).toMatchObject({
      clusterIP: "fd00::1",
      externalIPs: ["2001:db8::1"],
      loadBalancerIPs: [],
      sourceRanges: [],
    });
  });

  test("an unnamed port is labelled with the Service's key alone", () => {
    expect(resolveOne(serviceRecord(), []).label).toBe("ns/web");
  });

  test("a Service without a cluster IP of the family has no ports there", () => {
    expect(resolve(serviceRecord(), [], NODE, "IPv6")).toEqual([]);
  });

  test.each([
    ["a node port", serviceRecord({ ports: [portRecord({ nodePort: 30080 })] }), true],
    ["an external IP", serviceRecord({ externalIPs: { IPv4: ["192.0.2.1"], IPv6: [] } }), true],
    ["a load-balancer IP", serviceRecord({ loadBalancerIPs: { IPv4: ["192.0.2.1"], IPv6: [] } }), true],
    ["only the other family's", serviceRecord({ externalIPs: { IPv4: [], IPv6: ["2001:db8::1"] } }), false],
    ["nothing but its type", serviceRecord({ type: "LoadBalancer" }), false],
  ])("externally accessible through %s: %#", (_title, service, expected) => {
    expect(resolveOne(service, []).externallyAccessible).toBe(expected);
  });
});

describe("the join", () => {
  const service = serviceRecord({
    ports: [
      portRecord({ name: "a", port: 1 }),
      portRecord({ name: "a", protocol: "UDP", port: 1 }),
      portRecord({ name: "b", port: 2 }),
    ],
  });

  test("matches name and protocol, and multiplies endpoints with ports", () => {
    const slice = sliceRecord([endpoint("10.0.0.1"), endpoint("10.0.0.2")], {
      ports: [
        { name: "a", protocol: "TCP", port: 8001 },
        { name: "a", protocol: "UDP", port: 8002 },
        { name: "c", protocol: "TCP", port: 8003 },
      ],
    });
    const lists = resolve(service, [slice], NODE, "IPv4").map((port) =>
      port.clusterEndpoints.map(({ ip, port }) => `${ip}:${port}`),
    );
    expect(lists).toEqual([["10.0.0.1:8001", "10.0.0.2:8001"], ["10.0.0.1:8002", "10.0.0.2:8002"], []]);
  });

  test("two ports of one pod under one service port are two endpoints, one address for the health count", () => {
    const ports = [8080, 8081].map((port) => ({ name: "", protocol: "TCP", port }) as const);
    const slice = sliceRecord([endpoint("10.0.0.1", "l")], { ports });
    const [port] = resolve(serviceRecord(), [slice], NODE, "IPv4");
    expect(port?.clusterEndpoints).toHaveLength(2);
    expect(port?.localReadyIPs).toEqual(["10.0.0.1"]);
  });

  test("endpoints are sorted by the text ip:port, byte by byte", () => {
    const ips = ["10.0.0.9", "10.0.0.10", "10.0.0.1", "9.0.0.1"];
    const port = resolveOne(
      serviceRecord(),
      ips.map((ip) => endpoint(ip)),
    );
    expect(port.clusterEndpoints.map(({ ip }) => ip)).toEqual([
      "10.0.0.10",
      "10.0.0.1",
      "10.0.0.9",
      "9.0.0.1",
    ]);
  });

  test("an endpoint without a node name is not local, even to a nameless node", () => {
    const record = { ...endpoint("10.0.0.1"), nodeName: "" };
    const port = resolveOne(serviceRecord(), [record], { name: "", zone: "" });
    expect(port.clusterEndpoints[0]?.isLocal).toBe(false);
  });
});

describe("duplicates of one ip:port", () => {
  const ip = "10.0.0.1";
  const kept = (slices: readonly SliceRecord[]) =>
    resolve(serviceRecord(), slices, NODE, "IPv4")[0]?.servingEndpoints ?? [];

  test.each([
    ["the running pod beats the dying one", "S", "", { ready: true, terminating: false }],
    ["even if it is not ready yet", "S", "N", { ready: false, terminating: false }],
    ["even if the dying one is published as ready", "P", "N", { ready: false, terminating: false }],
    ["of two running ones the ready one", "N", "", { ready: true, terminating: false }],
    ["of two dying ones the serving one", "T", "S", { serving: true, terminating: true }],
    ["of two alike the one on this node", "", "l", { isLocal: true }],
  ])("%s", (_title, loser, winner, expected) => {
    const a = sliceRecord([endpoint(ip, loser)], { key: "ns/web-1" });
    const b = sliceRecord([endpoint(ip, winner)], { key: "ns/web-2" });
    expect(kept([a, b])).toEqual([expect.objectContaining(expected)]);
    expect(kept([b, a])).toEqual(kept([a, b]));
  });

  test("within one slice too", () => {
    expect(kept([sliceRecord([endpoint(ip, "S"), endpoint(ip)])])).toEqual([
      expect.objectContaining({ ready: true }),
    ]);
  });
});

test("the order of slices and endpoints never matters", () => {
  const record = fc
    .tuple(
      fc.nat(3),
      fc.constantFrom("", "l", "S", "Sl", "N", "T", "P"),
      fc.subarray(["zone-a", "zone-b"]),
      fc.subarray(["node-a", "node-b"]),
    )
    .map(([octet, letters, zones, nodes]) => endpoint(`10.0.0.${octet}`, letters, { zones, nodes }));
  const slices = fc.array(fc.array(record, { maxLength: 4 }), { maxLength: 4 });
  const service = serviceRecord({
    ports: [portRecord({ nodePort: 30080 })],
    externalPolicyLocal: true,
  });
  fc.assert(
    fc.property(slices, (lists) => {
      const forward = lists.map((list, i) => sliceRecord(list, { key: `ns/s${i}` }));
      const backward = forward
        .map((slice) => ({ ...slice, endpoints: [...slice.endpoints].reverse() }))
        .reverse();
      expect(resolve(service, backward, NODE, "IPv4")).toEqual(resolve(service, forward, NODE, "IPv4"));
    }),
  );
});

test("a port with 10,000 endpoints lists each of them once", () => {
  const endpoints = Array.from({ length: 10_000 }, (_, i) => endpoint(`10.1.${i >> 8}.${i & 255}`));
  const port = resolveOne(serviceRecord(), [...endpoints, ...endpoints.slice(0, 100)]);
  expect(port.listedEndpoints).toBe(10_000);
  expect(octets(port.clusterEndpoints.slice(0, 3))).toBe("0 100 101");
});
