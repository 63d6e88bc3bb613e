import { describe, expect, test } from "vitest";
import { countObjects, endpointRows, serviceRows } from "../../../src/status/service-rows.ts";
import { ViewHarness } from "./view.ts";

const ALL = { namespace: "", name: "" };
const names = (rows: Iterable<{ namespace: string; name: string }>): string[] =>
  Array.from(rows, ({ namespace, name }) => `${namespace}/${name}`);

describe("Services", () => {
  test("are told with all that they have, each family with its state", async () => {
    const at = new ViewHarness();
    at.add("shop/web", ["10.1.0.1", "10.1.0.2"], {
      type: "LoadBalancer",
      clusterIP: "10.96.0.1",
      clusterIPs: ["10.96.0.1", "fd00::1"],
      ipFamilies: ["IPv4", "IPv6"],
      ports: [{ name: "http", port: 80, nodePort: 30080 }],
      externalIPs: ["192.0.2.9"],
      loadBalancerSourceRanges: ["198.51.100.0/24"],
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 30999,
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    });
    await at.sync();
    expect([...serviceRows(at.view, ALL)]).toEqual([
      {
        namespace: "shop",
        name: "web",
        port: { name: "http", protocol: "TCP", port: 80, nodePort: 30080 },
        clusterIPs: ["10.96.0.1", "fd00::1"],
        externalIPs: ["192.0.2.9"],
        loadBalancerIPs: [],
        loadBalancerSourceRanges: ["198.51.100.0/24"],
        internalTrafficPolicy: "Cluster",
        externalTrafficPolicy: "Local",
        sessionAffinitySeconds: 60,
        healthCheckNodePort: 30999,
        families: [
          { family: "IPv4", state: "programmed", reason: "", usedEndpoints: 2, listedEndpoints: 2 },
          {
            family: "IPv6",
            state: "not served",
            reason: "IPv6 is off in this kernel",
            usedEndpoints: 0,
            listedEndpoints: 0,
          },
        ],
      },
    ]);
  });

  test("come by namespace and name, a row for each port", () => {
    const at = new ViewHarness();
    at.add("b/a", [], {
      ports: [
        { name: "x", port: 1 },
        { name: "y", port: 2 },
      ],
    });
    for (const key of ["b/c", "a/z", "a/b"]) at.add(key);
    expect(names(serviceRows(at.view, ALL))).toEqual(["a/b", "a/z", "b/a", "b/a", "b/c"]);
  });

  test.each([
    [{ namespace: "a", name: "" }, ["a/b", "a/z"]],
    [{ namespace: "", name: "b" }, ["a/b", "c/b"]],
    [{ namespace: "c", name: "b" }, ["c/b"]],
    [{ namespace: "c", name: "z" }, []],
  ])("%o are found", (filter, found) => {
    const at = new ViewHarness();
    for (const key of ["c/b", "a/z", "a/b"]) at.add(key);
    expect(names(serviceRows(at.view, filter))).toEqual(found);
  });

  test("are pending, programmed, refused and being removed, in turn", async () => {
    const at = new ViewHarness();
    const states = (): (string | undefined)[] =>
      Array.from(serviceRows(at.view, ALL), ({ families }) => families[0]?.state);
    at.add("ns/web");
    expect(states()).toEqual(["pending"]);
    at.store.delete("Service", "ns/web");
    expect(states(), "what was never programmed is not there to be removed").toEqual([]);
    at.add("ns/web");
    at.backend.refused = [{ key: "ns/web", reason: "too long" }];
    await at.sync();
    expect([...serviceRows(at.view, ALL)][0]?.families).toMatchObject([
      { state: "refused", reason: "too long" },
    ]);
    at.backend.refused = [];
    at.add("ns/web", ["10.1.0.1"]);
    await at.clock.advance(5_000);
    expect(states()).toEqual(["programmed"]);
    at.store.delete("Service", "ns/web");
    expect([...serviceRows(at.view, ALL)]).toMatchObject([
      { namespace: "ns", name: "web", clusterIPs: [], families: [{ family: "IPv4", state: "removing" }] },
    ]);
    await at.clock.advance(5_000);
    expect(states()).toEqual([]);
  });
});

test("endpoints are told with their conditions, and by which policies they are used", () => {
  const at = new ViewHarness();
  at.add("ns/web", [], {
    internalTrafficPolicy: "Local",
    type: "NodePort",
    ports: [{ name: "http", port: 80, nodePort: 30080 }],
  });
  const fields = {
    metadata: { namespace: "ns", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
  };
  at.store.upsert("EndpointSlice", {
    ...fields,
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    endpoints: [
      { addresses: ["10.1.0.1"], nodeName: "node-a" },
      { addresses: ["10.1.0.2"], nodeName: "node-b", hints: { forZones: [{ name: "z1" }] } },
      { addresses: ["10.1.0.3"], conditions: { ready: false, serving: true, terminating: true } },
    ],
  });
  const rows = [...endpointRows(at.view, ALL)];
  expect(rows[0]).toEqual({
    namespace: "ns",
    name: "web",
    portName: "http",
    protocol: "TCP",
    family: "IPv4",
    ip: "10.1.0.1",
    port: 8080,
    ready: true,
    serving: true,
    terminating: false,
    isLocal: true,
    nodeName: "node-a",
    forZones: [],
    usedBy: ["Cluster", "Local"],
    state: "pending",
  });
  expect(rows.slice(1)).toMatchObject([
    { ip: "10.1.0.2", isLocal: false, forZones: ["z1"], usedBy: ["Cluster"] },
    { ip: "10.1.0.3", ready: false, serving: true, terminating: true, nodeName: "", usedBy: [] },
  ]);
});

test("counts are those of a family, from the lists", () => {
  const at = new ViewHarness();
  at.add("ns/a", ["10.1.0.1", "10.1.0.2"], {
    ports: [
      { name: "http", port: 80 },
      { name: "x", port: 81 },
    ],
  });
  at.add("ns/b");
  expect(countObjects(at.store, "IPv4")).toEqual({ services: 2, ports: 3, endpoints: 2 });
  expect(countObjects(at.store, "IPv6")).toEqual({ services: 0, ports: 0, endpoints: 0 });
});
