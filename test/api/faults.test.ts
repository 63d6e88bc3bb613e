import { expect, test } from "vitest";
import { ApiSource } from "../../src/watch/api-source.ts";
import type { ApiServer } from "../support/api-server/api-server.ts";
import type { Fault } from "../support/api-server/faults.ts";
import {
  captureLogs,
  eventually,
  makeClient,
  RecordingSink,
  type Rig,
  service,
  startRig,
  startServer,
} from "./harness.ts";

const WARN = 40;

function serviceWatches(server: ApiServer) {
  return server.watches.filter(({ target }) => target.resource.name === "services");
}

function countLists(server: ApiServer): number {
  return server.requests.filter(({ verb, resource }) => verb === "list" && resource === "services").length;
}

/** A source that follows one Service `web`. */
async function follow(options: Parameters<typeof startRig>[1] = {}): Promise<Rig> {
  const server = await startServer();
  server.put(service("web"));
  const rig = await startRig(server, options);
  await eventually(() => expect(server.watches).toHaveLength(3));
  return rig;
}

/** After a fault: a new Service arrives exactly once, and nothing was lost. */
async function expectRecovery({ server, sink }: Rig): Promise<void> {
  await eventually(() => expect(serviceWatches(server)).toHaveLength(1));
  server.put(service("after"));
  await eventually(() => expect(sink.keys("Service")).toContain("shop/after"));
  expect(sink.keys("Service")).toContain("shop/web");
  expect(sink.count("upsert Service shop/after")).toBe(1);
}

const listFaults: [string, Fault, string][] = [
  ["500", { status: 500 }, "GET /api/v1/services: 500 injected fault"],
  ["dropped connection", { drop: true }, "GET /api/v1/services: socket hang up"],
  [
    "HTML page",
    { html: 200 },
    "GET /api/v1/services: status 200 with text/html; charset=utf-8 instead of JSON",
  ],
  [
    "HTML error page",
    { html: 503 },
    "GET /api/v1/services: status 503 with text/html; charset=utf-8 instead of",
  ],
  ["body cut short", { cutAfterBytes: 30 }, "GET /api/v1/services: aborted"],
];

test.each(listFaults)("first list: %s", async (_name, fault, message) => {
  const server = await startServer();
  server.put(service("web"));
  server.faults.add({ verb: "list", resource: "services", times: 3, fault });
  const rig = await startRig(server);
  await expectRecovery(rig);
  const warnings = rig.logs.filter(({ level, kind }) => level === WARN && kind === "Service");
  expect(warnings, "said once").toHaveLength(1);
  expect(warnings[0]?.error).toContain(message);
  expect(rig.waits).toEqual([800, 1600, 3200]);
  expect(rig.sink.count("retain Service 1"), "an unfinished list retains nothing").toBe(1);
});

test("an HTML answer shows its first 80 characters", async () => {
  const server = await startServer();
  server.faults.add({ verb: "list", resource: "services", fault: { html: 200 } });
  const { logs } = await startRig(server);
  await eventually(() => {
    const shown = logs.find(({ error }) => error?.includes("instead of JSON"))?.error ?? "";
    expect(shown).toContain(
      '"<!doctype html><title>Please log in</title><p>This is not the API you are lookin"',
    );
  });
});

test.each([
  ["seconds", "7", 7000],
  ["less than the backoff", "0", 800],
  ["absurd", "86400", 300_000],
])("429 with Retry-After: %s", async (_name, retryAfter, waitMs) => {
  const server = await startServer();
  server.put(service("web"));
  server.faults.add({ verb: "list", resource: "services", fault: { status: 429, retryAfter } });
  const rig = await startRig(server);
  await expectRecovery(rig);
  expect(rig.waits).toEqual([waitMs]);
});

test.each([
  [401, "does not accept our credentials"],
  [403, "forbids"],
])("status %i is said once in plain words and tried again", async (status, words) => {
  const server = await startServer();
  server.put(service("web"));
  server.faults.add({ verb: "list", resource: "services", times: 4, fault: { status } });
  const rig = await startRig(server);
  await expectRecovery(rig);
  const warnings = rig.logs.filter(({ level }) => level === WARN);
  expect(warnings.map(({ msg }) => msg)).toEqual([expect.stringContaining(words)]);
});

test.each<[string, (server: ApiServer) => void]>([
  ["dropped", (server) => serviceWatches(server)[0]?.drop()],
  ["ended by the server", (server) => serviceWatches(server)[0]?.end()],
  ["ended inside a line", (server) => serviceWatches(server)[0]?.cutNext()],
  ["fed nonsense", (server) => serviceWatches(server)[0]?.raw("{nonsense\n")],
  [
    "fed an event of unknown type",
    (server) => serviceWatches(server)[0]?.raw('{"type":"RENAMED","object":{}}\n'),
  ],
])("a watch that is %s goes on from its last version", async (_name, damage) => {
  const rig = await follow();
  const { server, sink } = rig;
  server.put(service("before"));
  await eventually(() => expect(sink.keys("Service")).toContain("shop/before"));
  const lists = countLists(server);
  damage(server);
  server.put(service("during"));
  await eventually(() => expect(sink.keys("Service")).toContain("shop/during"));
  await expectRecovery(rig);
  expect(sink.count("upsert Service shop/before")).toBe(1);
  expect(sink.count("upsert Service shop/during")).toBe(1);
  expect(countLists(server)).toBe(lists);
});

test("a watch that is cut inside an event says so", async () => {
  const rig = await follow();
  serviceWatches(rig.server)[0]?.raw('{"type":"ADDED",');
  serviceWatches(rig.server)[0]?.end();
  await eventually(() => {
    const warnings = rig.logs.filter(({ level }) => level === WARN);
    expect(warnings.map(({ error }) => error)).toEqual([
      expect.stringContaining("ended inside a line, after 16 bytes"),
    ]);
  });
  await expectRecovery(rig);
});

test("an event that stays unreadable is got past by a list", async () => {
  const rig = await follow();
  const { server } = rig;
  for (let i = 0; i < 3; i++) {
    await eventually(() => expect(serviceWatches(server)).toHaveLength(1));
    serviceWatches(server)[0]?.raw("\u0000\n");
    await eventually(() => expect(rig.waits).toHaveLength(i + 1));
  }
  await eventually(() => expect(countLists(server)).toBe(2));
  await expectRecovery(rig);
});

test.each<[string, (rig: Rig) => void | Promise<void>]>([
  ["410 as an ERROR event", ({ server }) => serviceWatches(server)[0]?.fail(410, "too old resource version")],
  ["500 as an ERROR event", ({ server }) => serviceWatches(server)[0]?.fail(500, "etcd is unwell")],
  [
    "410 as a status",
    ({ server }) => {
      server.faults.add({ verb: "watch", resource: "services", fault: { status: 410 } });
      serviceWatches(server)[0]?.drop();
    },
  ],
  [
    "a version from the future",
    ({ server }) => {
      const fault = { status: 504, cause: "ResourceVersionTooLarge" };
      server.faults.add({ verb: "watch", resource: "services", fault });
      serviceWatches(server)[0]?.drop();
    },
  ],
])("%s: listed again without dropping state", async (_name, damage) => {
  const rig = await follow();
  const { server, sink } = rig;
  await damage(rig);
  await eventually(() => expect(sink.count("retain Service 1")).toBe(2));
  await expectRecovery(rig);
  expect(countLists(server)).toBe(2);
  expect(sink.calls.filter((call) => call.startsWith("delete"))).toEqual([]);
});

test.each([429, 500, 503])("status %i on a watch: tried again without a list", async (status) => {
  const rig = await follow();
  const { server, waits } = rig;
  server.faults.add({ verb: "watch", resource: "services", times: 2, fault: { status } });
  serviceWatches(server)[0]?.drop();
  await eventually(() => expect(waits).toHaveLength(3));
  await expectRecovery(rig);
  expect(countLists(server)).toBe(1);
});

test("a continue token that expires in the middle starts the list over, in one piece", async () => {
  const server = await startServer();
  for (let i = 0; i < 25; i++) server.put(service(`web-${i}`));
  const rig = await startRig(server, { pageSize: 10 });
  await eventually(() => expect(server.watches).toHaveLength(3));
  server.faults.add({ verb: "list", resource: "services", after: 2, fault: { status: 410 } });
  serviceWatches(server)[0]?.fail(410, "too old");
  await eventually(() => expect(rig.sink.count("retain Service 25")).toBe(2));
  const lists = server.requests.filter(({ verb, resource }) => verb === "list" && resource === "services");
  expect(lists.slice(1).map(({ query }) => [query.limit, query.continue !== undefined])).toEqual([
    ["10", false],
    ["10", true],
    ["10", true],
    [undefined, false],
  ]);
});

test("refused connections: watches are tried again for as long as it takes, without a list", async () => {
  const rig = await follow();
  const { server, waits, logs, sink, source } = rig;
  expect(source.trouble()).toEqual([]);
  await server.refuseConnections();
  await eventually(() => expect(waits.length).toBeGreaterThan(30));
  expect(source.trouble()).toEqual(
    ["Service", "EndpointSlice", "Node"].map((kind) => expect.stringMatching(`^${kind}: .*ECONNREFUSED`)),
  );
  server.put(service("meanwhile"));
  server.remove("Service", "shop", "web");
  await server.acceptConnections();
  await eventually(() => expect(sink.keys("Service")).toEqual(["shop/meanwhile"]));
  expect(countLists(server)).toBe(1);
  expect(sink.count("delete Service shop/web")).toBe(1);
  expect(Math.max(...waits)).toBe(30_000);
  // Lost and refused are one complaint; then one line when it is back.
  const said = logs.filter(({ kind, level }) => kind === "Service" && level >= 30).map(({ msg }) => msg);
  expect(said).toEqual(["listed", "lost the API server; rules stay as they are", "watch connected again"]);
  await eventually(() => expect(source.trouble()).toEqual([]));
});

test("a server that restarts with its history", async () => {
  const rig = await follow();
  await rig.server.restart();
  await expectRecovery(rig);
});

test("a server that restarts without history, twice", async () => {
  const rig = await follow();
  for (let i = 0; i < 2; i++) {
    rig.server.compact();
    await rig.server.restart();
    await eventually(() => expect(rig.sink.count("retain Service 1")).toBe(i + 2));
  }
  await expectRecovery(rig);
});

test("a watch that falls silent is opened again from its last version", async () => {
  const rig = await follow({ idleTimeoutMs: 100 });
  const { server, waits } = rig;
  serviceWatches(server)[0]?.silence();
  server.put(service("unheard"));
  await eventually(() => expect(rig.sink.keys("Service")).toContain("shop/unheard"));
  expect(countLists(server)).toBe(1);
  expect(waits, "no delay: the server did nothing wrong that we know of").toEqual([]);
});

test("a server that has nothing to say is asked less and less often; bookmarks keep a watch open", async () => {
  const quiet = await startServer({ bookmarkMs: 0 });
  const lively = await startServer({ bookmarkMs: 20 });
  const rigs = [await startRig(quiet, { idleTimeoutMs: 60 }), await startRig(lively, { idleTimeoutMs: 400 })];
  const opened = (server: ApiServer) =>
    server.requests.filter(({ verb, resource }) => verb === "watch" && resource === "services").length;
  // 60 + 120 + 240 ms; at a constant 60 ms there would be eight by then.
  await eventually(() => expect(opened(quiet)).toBe(4));
  expect(opened(lively)).toBe(1);
  for (const rig of rigs) expect(rig.logs.filter(({ level }) => level >= WARN)).toEqual([]);
});

test("a bookmark moves the version on", async () => {
  const rig = await follow();
  const { server } = rig;
  // The change of another kind is heard of by bookmark only.
  server.put({ apiVersion: "v1", kind: "Endpoints", metadata: { name: "x", namespace: "shop" } });
  serviceWatches(server)[0]?.bookmark();
  serviceWatches(server)[0]?.end();
  await eventually(() => {
    const watch = server.requests.findLast(
      ({ verb, resource }) => verb === "watch" && resource === "services",
    );
    expect(watch?.query.resourceVersion).toBe(server.list("Endpoints")[0]?.metadata.resourceVersion);
  });
  await expectRecovery(rig);
});

test("no answer at all: given up after the response timeout", async () => {
  const server = await startServer();
  server.put(service("web"));
  server.faults.add({ verb: "list", resource: "services", fault: { hang: true } });
  const rig = await startRig(server, { clientOptions: { responseTimeoutMs: 100 } });
  await expectRecovery(rig);
  expect(rig.logs.find(({ level }) => level === WARN)?.error).toContain("nothing received for 100 ms");
});

test("a list that stalls in the middle is given up", async () => {
  const server = await startServer();
  server.put(service("web"));
  server.faults.add({ verb: "list", resource: "services", fault: { stallAfterBytes: 40 } });
  const rig = await startRig(server, { idleTimeoutMs: 100 });
  await expectRecovery(rig);
});

test("stop() ends everything, also while the server is away or silent", async () => {
  const server = await startServer();
  server.faults.add({ verb: "list", resource: "services", fault: { hang: true } });
  server.faults.add({ verb: "list", resource: "nodes", times: 100, fault: { status: 500 } });
  const client = await makeClient({ master: server.url });
  const before = process.getActiveResourcesInfo().length;
  const source = new ApiSource({
    client,
    nodeName: "node-1",
    serviceCIDRs: false,
    logger: captureLogs().logger,
  });
  await source.start(new RecordingSink());
  await eventually(() => expect(server.watches).toHaveLength(1));
  await source.stop();
  client.close();
  await eventually(() => {
    expect(server.watches).toHaveLength(0);
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
  });
});
