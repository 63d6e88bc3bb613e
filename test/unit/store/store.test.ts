/** What the store keeps, and which changes, problems and nodes it tells about. */
import { describe, expect, test } from "vitest";
import { endpoint, ips, recordingStore, resolved, service, slice } from "./objects.ts";

const named = (name: string, serviceName = "web") => ({
  name,
  labels: { "kubernetes.io/service-name": serviceName },
});
const withTrigger = (text: string, name = "web-1") => ({
  ...named(name),
  annotations: { "endpoints.kubernetes.io/last-change-trigger-time": text },
});
const legacy = (ip: string | undefined) => ({
  metadata: { namespace: "ns", name: "web" },
  subsets: ip === undefined ? [] : [{ addresses: [{ ip }], ports: [{ port: 8080 }] }],
});

describe("Services", () => {
  test("are stored, changed and deleted, each with one change for the families concerned", () => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    expect([...store.serviceKeys()]).toEqual(["ns/web"]);
    store.upsert("Service", service({ clusterIP: "fd00::1" }));
    store.delete("Service", "ns/web");
    expect(store.service("ns/web")).toBeUndefined();
    expect(changes).toEqual([
      { serviceKey: "ns/web", families: ["IPv4"], what: "service" },
      { serviceKey: "ns/web", families: ["IPv4", "IPv6"], what: "service" },
      { serviceKey: "ns/web", families: ["IPv6"], what: "service" },
    ]);
  });

  test("an update of what the proxy does not use is no change", () => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    changes.length = 0;
    store.upsert(
      "Service",
      service({ selector: { a: "b" } }, { resourceVersion: "2", annotations: { x: "y" } }),
    );
    store.upsert("Service", service({ clusterIP: "010.96.0.1" }));
    store.delete("Service", "ns/other");
    expect(changes).toEqual([]);
  });

  test.each([
    [
      "the proxy-name label is set",
      service({}, { labels: { "service.kubernetes.io/service-proxy-name": "x" } }),
    ],
    ["it becomes an ExternalName", service({ type: "ExternalName" })],
    ["its cluster IP becomes unusable", service({ clusterIP: "x" })],
  ])("one that was proxied goes away when %s", (_title, object) => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    store.upsert("Service", object);
    expect(store.service("ns/web")).toBeUndefined();
    expect(changes).toHaveLength(2);
  });
});

describe("slices", () => {
  test("are told about under their Service, whether it is known or not", () => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    expect(changes).toEqual([{ serviceKey: "ns/web", families: ["IPv4"], what: "endpoints" }]);
    store.upsert("Service", service());
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual(["10.0.0.1"]);
  });

  test("only the family of the slice is concerned", () => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("fd00::1")], { addressType: "IPv6" }));
    expect(changes[0]?.families).toEqual(["IPv6"]);
    expect(store.slices("ns/web", "IPv4")).toEqual([]);
    expect(store.slices("ns/web", "IPv6")).toHaveLength(1);
  });

  test("an equal slice, or one with other annotations, is no change", () => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, withTrigger("2026-01-01T00:00:00Z")));
    store.delete("EndpointSlice", "ns/unknown");
    expect(changes).toHaveLength(1);
  });

  test.each([
    ["an address", slice([endpoint("10.0.0.2")])],
    ["one more endpoint", slice([endpoint("10.0.0.1"), endpoint("10.0.0.2")])],
    ["no endpoint", slice([])],
    ["a condition", slice([endpoint("10.0.0.1", { ready: false })])],
    ["the node", slice([endpoint("10.0.0.1", {}, { nodeName: "node-a" })])],
    ["a hint", slice([endpoint("10.0.0.1", {}, { hints: { forZones: [{ name: "z" }] } })])],
    ["a port", slice([endpoint("10.0.0.1")], { ports: [{ name: "", port: 9090 }] })],
  ])("a change of %s is told", (_title, object) => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    store.upsert("EndpointSlice", object);
    expect(changes).toHaveLength(2);
  });

  test("an endpoint that moves between slices never vanishes", () => {
    const { store } = recordingStore();
    store.upsert("Service", service());
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, named("a")));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, named("b")));
    store.upsert("EndpointSlice", slice([], {}, named("a")));
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual(["10.0.0.1"]);
    store.delete("EndpointSlice", "ns/b");
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual([]);
  });

  test("a slice that moves to another Service leaves the old one", () => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, named("a", "web")));
    changes.length = 0;
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, named("a", "api")));
    expect(store.slices("ns/web", "IPv4")).toEqual([]);
    expect(store.slices("ns/api", "IPv4")).toHaveLength(1);
    expect(changes).toEqual([
      { serviceKey: "ns/web", families: ["IPv4"], what: "endpoints", forgetTriggerTimes: true },
      { serviceKey: "ns/api", families: ["IPv4"], what: "endpoints" },
    ]);
  });

  test("a slice that becomes unusable leaves its Service", () => {
    const { store } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, { labels: {} }));
    expect(store.slices("ns/web", "IPv4")).toEqual([]);
  });

  test("slices of the same name in two namespaces are two slices", () => {
    const { store } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.2")], {}, { namespace: "other" }));
    expect(store.slices("ns/web", "IPv4")).toHaveLength(1);
    expect(store.slices("other/web", "IPv4")).toHaveLength(1);
  });
});

describe("legacy Endpoints", () => {
  test("serve a Service that has no slices", () => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    store.upsert("Endpoints", legacy("10.0.0.1"));
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual(["10.0.0.1"]);
    expect(changes.at(-1)).toEqual({ serviceKey: "ns/web", families: ["IPv4"], what: "endpoints" });
    store.upsert("Endpoints", legacy("10.0.0.1"));
    expect(changes).toHaveLength(2);
    store.upsert("Endpoints", legacy(undefined));
    expect(resolved(store)[0]?.listedEndpoints).toBe(0);
    expect(changes.at(-1)).toMatchObject({ families: ["IPv4"], forgetTriggerTimes: true });
  });

  test("are never merged with slices: the first slice hides them, the last one gone uncovers them", () => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    store.upsert("Endpoints", legacy("10.0.0.1"));
    changes.length = 0;
    store.upsert("EndpointSlice", slice([endpoint("fd00::1")], { addressType: "IPv6" }));
    expect(changes.map(({ families }) => families)).toEqual([["IPv4", "IPv6"]]);
    expect(store.slices("ns/web", "IPv4")).toEqual([]);
    store.upsert("Endpoints", legacy("10.0.0.2"));
    expect(changes).toHaveLength(1);
    store.delete("EndpointSlice", "ns/web-1");
    expect(changes.at(-1)?.families).toEqual(["IPv4", "IPv6"]);
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual(["10.0.0.2"]);
  });
});

describe("trigger times", () => {
  test("come with the change that carries them", () => {
    const { store, changes } = recordingStore();
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, withTrigger("1970-01-01T00:00:02.5Z")));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.2")], {}, withTrigger("nonsense")));
    store.delete("EndpointSlice", "ns/web-1");
    expect(changes).toEqual([
      { serviceKey: "ns/web", families: ["IPv4"], what: "endpoints", triggerTimeMs: 2500 },
      { serviceKey: "ns/web", families: ["IPv4"], what: "endpoints" },
      { serviceKey: "ns/web", families: ["IPv4"], what: "endpoints", forgetTriggerTimes: true },
    ]);
  });

  test("come with Endpoints too", () => {
    const { store, changes } = recordingStore();
    const object = legacy("10.0.0.1");
    store.upsert("Endpoints", {
      ...object,
      metadata: { ...object.metadata, ...withTrigger("1970-01-01T00:00:01Z", "web") },
    });
    expect(changes[0]?.triggerTimeMs).toBe(1000);
  });
});

describe("retain", () => {
  test("drops what a complete list no longer has", () => {
    const { store, changes } = recordingStore();
    store.upsert("Service", service());
    store.upsert("Service", service({}, { name: "api" }));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, named("a")));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.2")], {}, named("b")));
    store.upsert("Endpoints", legacy("10.0.0.3"));
    changes.length = 0;
    store.retain("Service", new Set(["ns/web"]));
    store.retain("EndpointSlice", new Set(["ns/b"]));
    expect([...store.serviceKeys()]).toEqual(["ns/web"]);
    expect(ips(resolved(store)[0]?.clusterEndpoints)).toEqual(["10.0.0.2"]);
    expect(changes.map(({ serviceKey, what }) => `${what} ${serviceKey}`)).toEqual([
      "service ns/api",
      "endpoints ns/web",
    ]);
    store.retain("EndpointSlice", new Set());
    store.retain("Endpoints", new Set());
    expect(resolved(store)[0]?.listedEndpoints).toBe(0);
  });
});

describe("the Node", () => {
  const node = (labels: Record<string, string> = {}, name = "node-a") => ({ metadata: { name, labels } });

  test("is told about when something we use changed", () => {
    const { store, nodes } = recordingStore();
    store.upsert("Node", node());
    store.upsert("Node", node({ other: "label" }));
    store.upsert("Node", node({ "topology.kubernetes.io/zone": "z" }));
    expect(store.node?.zone).toBe("z");
    store.delete("Node", "node-a");
    expect(store.node).toBeUndefined();
    expect(nodes.map(([now, before]) => [now?.zone, before?.zone])).toEqual([
      ["", undefined],
      ["z", ""],
      [undefined, "z"],
    ]);
  });

  test("other nodes are ignored, with their problems", () => {
    const { store, nodes, problems } = recordingStore();
    store.upsert("Node", { ...node({}, "node-b"), spec: { podCIDRs: ["x"] } });
    store.delete("Node", "node-b");
    expect([nodes, problems]).toEqual([[], []]);
  });

  test("is dropped by a list without it", () => {
    const { store, nodes } = recordingStore();
    store.upsert("Node", node());
    store.retain("Node", new Set(["node-b"]));
    expect(nodes).toHaveLength(2);
    expect(store.node).toBeUndefined();
  });
});

describe("problems", () => {
  const bad = (...externalIPs: string[]) => service({ externalIPs });

  test("are reported once while they last", () => {
    const { store, problems } = recordingStore();
    store.upsert("Service", bad("x"));
    store.upsert("Service", bad("x"));
    store.upsert("Service", { ...bad("x"), status: { loadBalancer: {} } });
    expect(problems).toHaveLength(1);
    store.upsert("Service", bad("x", "y"));
    expect(problems.map(({ value }) => value)).toEqual(['"x"', '"y"']);
  });

  test("are reported again after they went away", () => {
    const { store, problems } = recordingStore();
    store.upsert("Service", bad("x"));
    store.upsert("Service", service());
    store.upsert("Service", bad("x"));
    expect(problems).toHaveLength(2);
  });

  test.each([
    ["delete", (store: ReturnType<typeof recordingStore>["store"]) => store.delete("Service", "ns/web")],
    ["retain", (store: ReturnType<typeof recordingStore>["store"]) => store.retain("Service", new Set())],
  ])("are forgotten with the object: %s", (_title, forget) => {
    const { store, problems } = recordingStore();
    // No record comes of this one, only a problem.
    store.upsert("Service", service({ clusterIP: "x" }));
    forget(store);
    store.upsert("Service", service({ clusterIP: "x" }));
    expect(problems).toHaveLength(2);
  });

  test("one bad object never stops the others", () => {
    const { store } = recordingStore();
    store.upsert("Service", service({ clusterIP: "x" }, { name: "bad" }));
    store.upsert("Service", service());
    expect([...store.serviceKeys()]).toEqual(["ns/web"]);
  });
});
