/** --kube-api-qps and --kube-api-burst: every request waits for its turn. */
import { expect, test } from "vitest";
import type { TurnInfo } from "../../src/watch/api-client.ts";
import { eventually, makeClient, service, slice, startRig, startServer } from "./harness.ts";

const request = (signal = new AbortController().signal) => ({ path: "/api/v1/services", signal });

test("lists, watches and what is posted come out of one bucket", async () => {
  const server = await startServer();
  server.put(service("web"));
  server.put(slice("web-abc"));
  const turns: TurnInfo[] = [];
  const { client, sink } = await startRig(server, {
    clientOptions: { rateLimit: { qps: 50, burst: 2 }, onTurn: (info) => turns.push(info) },
  });
  await eventually(() => {
    expect(server.watches).toHaveLength(3);
    expect(sink.keys("EndpointSlice")).toEqual(["shop/web-abc"]);
  });
  const body = { metadata: { name: "note" } };
  const path = "/apis/events.k8s.io/v1/namespaces/default/events";
  await client.json({ method: "POST", path, body, signal: new AbortController().signal }).catch(() => {});
  expect(turns.map(({ verb }) => verb)).toEqual([...Array.from({ length: 6 }, () => "GET"), "POST"]);
  expect(new Set(turns.map(({ host }) => host))).toEqual(new Set([new URL(server.url).host]));
  // Two had a token; the third of the lists, which are asked for at once, had not.
  expect(turns.slice(0, 3).map(({ waitedSeconds }) => waitedSeconds > 0)).toEqual([false, false, true]);
});

test("who waits for a turn can give up, and nothing is sent", async () => {
  const server = await startServer();
  const client = await makeClient({ master: server.url, rateLimit: { qps: 0.001, burst: 1 } });
  await client.json(request());
  const leaving = new AbortController();
  const waiting = client.json(request(leaving.signal));
  leaving.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("GET /api/v1/services: enough");
  expect(server.requests).toHaveLength(1);
});

test("without a limit nobody waits", async () => {
  const server = await startServer();
  const turns: TurnInfo[] = [];
  const client = await makeClient({ master: server.url, onTurn: (info) => turns.push(info) });
  await Promise.all(Array.from({ length: 30 }, () => client.json(request())));
  expect(server.requests).toHaveLength(30);
  expect(turns).toEqual([]);
});
