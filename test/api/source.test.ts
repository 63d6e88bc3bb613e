import { expect, test } from "vitest";
import { eventually, node, service, slice, startRig, startServer } from "./harness.ts";

test("delivers what exists, reports each kind as synced once, then follows changes", async () => {
  const server = await startServer();
  for (const object of [service("web"), slice("web-abc"), node("node-1"), node("node-2")]) server.put(object);
  const { sink } = await startRig(server);
  await eventually(() => {
    for (const kind of ["Service", "EndpointSlice", "Node"] as const)
      expect(sink.count(`synced ${kind}`)).toBe(1);
  });
  expect(sink.keys("Service")).toEqual(["shop/web"]);
  expect(sink.keys("EndpointSlice")).toEqual(["shop/web-abc"]);
  expect(sink.keys("Node"), "only our own node").toEqual(["node-1"]);

  server.put(service("api"));
  server.put(service("web", { clusterIP: "10.96.0.77" }));
  server.remove("EndpointSlice", "shop", "web-abc");
  await eventually(() => {
    expect(sink.keys("Service")).toEqual(["shop/api", "shop/web"]);
    expect(sink.state.get("Service")?.get("shop/web")?.spec).toMatchObject({ clusterIP: "10.96.0.77" });
    expect(sink.keys("EndpointSlice")).toEqual([]);
  });
  expect(sink.count("synced Service")).toBe(1);
});

test("asks for what upstream asks for", async () => {
  const server = await startServer();
  await startRig(server);
  await eventually(() => expect(server.watches).toHaveLength(3));
  const query = (resource: string, verb: string) =>
    server.requests.find((request) => request.resource === resource && request.verb === verb);
  expect(query("services", "list")?.query).toEqual({
    labelSelector: "!service.kubernetes.io/service-proxy-name",
    fieldSelector: "spec.clusterIP!=None",
    limit: "500",
    resourceVersion: "0",
  });
  expect(query("services", "list")?.headers).toMatchObject({
    accept: "application/json",
    "accept-encoding": "gzip",
    "user-agent": "kube-proxy/test",
  });
  expect(query("endpointslices", "watch")?.query).toEqual({
    labelSelector: "!service.kubernetes.io/headless",
    watch: "true",
    allowWatchBookmarks: "true",
    resourceVersion: "1000",
    timeoutSeconds: "300",
  });
  expect(query("nodes", "list")?.query).toMatchObject({ fieldSelector: "metadata.name=node-1" });
});

test.each([
  [0, "300"],
  [0.5, "450"],
  [0.999, "600"],
])("random %f gives a watch timeout of %s s", async (random, timeoutSeconds) => {
  const server = await startServer();
  await startRig(server, { random: () => random });
  await eventually(() => expect(server.watches).toHaveLength(3));
  const watches = server.requests.filter(({ verb }) => verb === "watch");
  expect(watches.map(({ query }) => query.timeoutSeconds)).toEqual([
    timeoutSeconds,
    timeoutSeconds,
    timeoutSeconds,
  ]);
});

test("leaves out other proxies' and headless objects, also when they become so", async () => {
  const server = await startServer();
  const foreign = { "service.kubernetes.io/service-proxy-name": "" };
  server.put(service("foreign", { labels: foreign }));
  server.put(service("headless", { clusterIP: "None" }));
  // Of no use without its Service, and there when that becomes ours.
  server.put(slice("foreign-1", foreign));
  server.put(slice("headless-1", { "service.kubernetes.io/headless": "" }));
  server.put(service("web"));
  server.put(slice("web-1"));
  const { sink } = await startRig(server);
  await eventually(() => {
    expect(sink.keys("Service")).toEqual(["shop/web"]);
    expect(sink.keys("EndpointSlice").sort()).toEqual(["shop/foreign-1", "shop/web-1"]);
    expect(server.watches).toHaveLength(3);
  });
  server.put(service("web", { labels: foreign }));
  server.put(service("foreign"));
  await eventually(() => expect(sink.keys("Service")).toEqual(["shop/foreign"]));
});

test("does without the field selector where the server refuses it", async () => {
  const server = await startServer({ clusterIPSelector: false });
  server.put(service("web"));
  const { sink, waits } = await startRig(server);
  await eventually(() => expect(sink.count("synced Service")).toBe(1));
  await eventually(() => expect(server.watches).toHaveLength(3));
  expect(sink.keys("Service")).toEqual(["shop/web"]);
  expect(waits).toEqual([]);
});

test("a large list is compressed and read item by item", async () => {
  const server = await startServer();
  for (let i = 0; i < 2000; i++) server.put(service(`web-${i}`, { labels: { note: `"[{,]}\\ü€𝄞-${i}` } }));
  const { sink } = await startRig(server);
  await eventually(() => expect(sink.count("synced Service")).toBe(1));
  expect(sink.keys("Service")).toHaveLength(2000);
  expect(sink.state.get("Service")?.get("shop/web-1999")?.metadata.labels).toEqual({
    note: '"[{,]}\\ü€𝄞-1999',
  });
});

test("a relist comes in pages of one snapshot and forgets what was deleted in the gap", async () => {
  const server = await startServer();
  for (let i = 0; i < 25; i++) server.put(service(`web-${i}`));
  const { sink } = await startRig(server, { pageSize: 10 });
  await eventually(() => expect(server.watches).toHaveLength(3));
  server.requests.length = 0;
  await server.refuseConnections();
  server.remove("Service", "shop", "web-7");
  server.put(service("late"));
  server.compact();
  await server.acceptConnections();
  await eventually(() => expect(sink.count("retain Service 25")).toBe(2));
  expect(sink.keys("Service")).not.toContain("shop/web-7");
  expect(sink.keys("Service")).toContain("shop/late");
  expect(sink.count("synced Service")).toBe(1);
  const lists = server.requests.filter(({ verb, resource }) => verb === "list" && resource === "services");
  expect(
    lists.map(({ query }) => [query.limit, query.resourceVersion, query.continue !== undefined]),
  ).toEqual([
    ["10", undefined, false],
    ["10", undefined, true],
    ["10", undefined, true],
  ]);
});

test("a server with v1beta1 slices only", async () => {
  const server = await startServer({ sliceVersions: ["v1beta1"] });
  server.put(slice("web-1"));
  const { sink } = await startRig(server);
  await eventually(() => expect(sink.count("synced EndpointSlice")).toBe(1));
  expect(sink.state.get("EndpointSlice")?.get("shop/web-1")?.endpoints).toMatchObject([
    { topology: { "kubernetes.io/hostname": "node-1" } },
  ]);
  await eventually(() => expect(server.watches).toHaveLength(3));
  server.put(slice("web-2"));
  await eventually(() => expect(sink.keys("EndpointSlice")).toEqual(["shop/web-1", "shop/web-2"]));
});

test("a server without slices", async () => {
  const server = await startServer({ sliceVersions: [] });
  server.put({
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "web", namespace: "shop" },
    subsets: [],
  });
  const { sink } = await startRig(server);
  await eventually(() => expect(sink.count("synced Endpoints")).toBe(1));
  expect(sink.keys("Endpoints")).toEqual(["shop/web"]);
  await eventually(() => expect(server.watches).toHaveLength(3));
  server.remove("Endpoints", "shop", "web");
  await eventually(() => expect(sink.keys("Endpoints")).toEqual([]));
  expect(sink.count("synced EndpointSlice")).toBe(0);
});

test("every request is reported for metrics, an unanswered one as <error>", async () => {
  const server = await startServer();
  const seen: string[] = [];
  server.faults.add({ verb: "list", resource: "services", fault: { drop: true } });
  server.faults.add({ verb: "list", resource: "services", fault: { status: 500 } });
  await startRig(server, {
    clientOptions: {
      onRequest: ({ code, method, host, durationSeconds }) => {
        expect(durationSeconds).toBeGreaterThan(0);
        seen.push(`${method} ${code} ${host}`);
      },
    },
  });
  await eventually(() => expect(server.watches).toHaveLength(3));
  const host = `127.0.0.1:${server.port}`;
  expect(new Set(seen)).toEqual(new Set([`GET 200 ${host}`, `GET 500 ${host}`, `GET <error> ${host}`]));
});
