import { expect, onTestFinished, test } from "vitest";
import { ApiEventRecorder } from "../../src/events/api-recorder.ts";
import type { ProxyEvent } from "../../src/events/recorder.ts";
import type { Clock } from "../../src/watch/backoff.ts";
import type { ApiServer } from "../support/api-server/api-server.ts";
import { captureLogs, eventually, makeClient, quickClock, startServer } from "./harness.ts";

const starting: ProxyEvent = {
  regarding: { kind: "Node", name: "node-1", uid: "node-1" },
  type: "Normal",
  reason: "Starting",
  action: "StartKubeProxy",
  note: "",
};

function broken(note: string, name = "web"): ProxyEvent {
  return {
    regarding: { kind: "Service", namespace: "shop", name, uid: "u-1" },
    type: "Warning",
    reason: "InvalidService",
    action: "SyncProxyRules",
    note,
  };
}

async function startRecorder(server: ApiServer, clock: Clock = quickClock()) {
  const client = await makeClient({ master: server.url });
  const { logger, logs } = captureLogs();
  const recorder = new ApiEventRecorder({ client, nodeName: "node-1", logger, clock, random: () => 0 });
  onTestFinished(() => recorder.stop());
  return { recorder, logs };
}

test("an event about the node and one about a Service", async () => {
  const server = await startServer();
  const { recorder } = await startRecorder(server);
  recorder.record(starting);
  recorder.record(broken("port 80 is taken"));
  await eventually(() => expect(server.list("Event")).toHaveLength(2));
  const [ofNode, ofService] = server.list("Event");
  expect(ofNode).toMatchObject({
    apiVersion: "events.k8s.io/v1",
    metadata: { namespace: "default", name: expect.stringMatching(/^node-1\.[0-9a-f]+$/) },
    eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    reportingController: "kube-proxy",
    reportingInstance: "node-1",
    action: "StartKubeProxy",
    reason: "Starting",
    type: "Normal",
    note: "",
    regarding: { apiVersion: "v1", kind: "Node", name: "node-1", uid: "node-1" },
  });
  expect(ofService).toMatchObject({
    metadata: { namespace: "shop" },
    type: "Warning",
    note: "port 80 is taken",
    regarding: { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web", uid: "u-1" },
  });
});

test("repeats become a series of one event", async () => {
  const server = await startServer();
  const { recorder } = await startRecorder(server);
  for (let i = 1; i <= 3; i++) {
    recorder.record(broken("again"));
    await eventually(() => expect(server.requests).toHaveLength(i));
  }
  recorder.record(broken("something else"));
  await eventually(() => expect(server.list("Event")).toHaveLength(2));
  expect(server.list("Event")[0]).toMatchObject({
    note: "again",
    series: { count: 3, lastObservedTime: expect.stringMatching(/\.\d{6}Z$/) },
  });
  const verbs = server.requests.map(({ verb }) => verb);
  expect(verbs).toEqual(["create", "patch", "patch", "create"]);
  expect(server.requests[1]?.headers["content-type"]).toBe("application/merge-patch+json");
});

test("a series whose event has expired begins anew", async () => {
  const server = await startServer();
  const { recorder } = await startRecorder(server);
  recorder.record(broken("again"));
  await eventually(() => expect(server.list("Event")).toHaveLength(1));
  const { name } = server.list("Event")[0]?.metadata ?? {};
  server.remove("Event", "shop", String(name));
  await eventually(() => {
    recorder.record(broken("again"));
    expect(server.list("Event")).toHaveLength(1);
  });
  expect(server.list("Event")[0]?.metadata.name).not.toBe(name);
});

test("one object has a budget; others are not held up by it", async () => {
  const server = await startServer();
  const { recorder, logs } = await startRecorder(server);
  for (let i = 0; i < 40; i++) recorder.record(broken(`problem ${i}`));
  recorder.record(broken("mine", "api"));
  await eventually(() => expect(server.list("Event")).toHaveLength(26));
  expect(logs.filter(({ msg, level }) => msg === "event dropped" && level === 20)).toHaveLength(15);
});

test("a server that is away for a moment gets the event later", async () => {
  const server = await startServer();
  server.faults.add({ verb: "create", times: 2, fault: { status: 503 } });
  server.faults.add({ verb: "create", times: 1, fault: { status: 429, retryAfter: "3" } });
  const waits: number[] = [];
  const { recorder } = await startRecorder(server, quickClock(waits));
  recorder.record(starting);
  await eventually(() => expect(server.list("Event")).toHaveLength(1));
  expect(waits).toEqual([800, 1600, 3200]);
});

test("a server that does not want events is not pestered, and complained about once", async () => {
  const server = await startServer();
  server.forbidden.add("events");
  const { recorder, logs } = await startRecorder(server);
  for (let i = 0; i < 3; i++) recorder.record(broken(`problem ${i}`));
  await eventually(() => expect(logs.filter(({ msg }) => msg === "event not delivered")).toHaveLength(3));
  expect(logs.filter(({ level }) => level === 40)).toHaveLength(1);
  expect(server.requests).toHaveLength(3);
});

test("stop() delivers what it can at once", async () => {
  const server = await startServer();
  const { recorder } = await startRecorder(server, { ...quickClock(), sleep: () => new Promise(() => {}) });
  for (let i = 0; i < 5; i++) recorder.record(broken(`last words ${i}`));
  await recorder.stop();
  expect(server.list("Event")).toHaveLength(5);
  recorder.record(starting);
  expect(server.list("Event")).toHaveLength(5);
});

test("stop() does not wait for a server that says nothing", async () => {
  const server = await startServer();
  server.faults.add({ verb: "create", fault: { hang: true } });
  const { recorder } = await startRecorder(server);
  recorder.record(starting);
  await eventually(() => expect(server.requests).toHaveLength(1));
  await recorder.stop();
  expect(server.list("Event")).toHaveLength(0);
});
