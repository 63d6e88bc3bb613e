/** ServiceCIDRs: delivered where they are asked for and the server has them, missed by nobody elsewhere. */
import { expect, test } from "vitest";
import type { KubeObject } from "../support/api-server/store.ts";
import { eventually, service, startRig, startServer } from "./harness.ts";

const range = (name: string, ...cidrs: string[]): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "ServiceCIDR",
  metadata: { name },
  spec: { cidrs },
});

test("are listed and followed", async () => {
  const server = await startServer();
  server.put(range("kubernetes", "10.96.0.0/16"));
  const { sink } = await startRig(server, { serviceCIDRs: true });
  await eventually(() => expect(sink.count("synced ServiceCIDR")).toBe(1));
  expect(sink.state.get("ServiceCIDR")?.get("kubernetes")?.spec).toEqual({ cidrs: ["10.96.0.0/16"] });
  await eventually(() => expect(server.watches).toHaveLength(4));
  server.put(range("more", "10.97.0.0/16"));
  server.remove("ServiceCIDR", "", "kubernetes");
  await eventually(() => expect(sink.keys("ServiceCIDR")).toEqual(["more"]));
  expect(sink.count("delete ServiceCIDR kubernetes")).toBe(1);
});

test("are not asked for unless wanted", async () => {
  const server = await startServer();
  await startRig(server);
  await eventually(() => expect(server.watches).toHaveLength(3));
  expect(server.requests.filter(({ resource }) => resource === "servicecidrs")).toEqual([]);
});

test("are read as v1beta1 where the server has no v1", async () => {
  const server = await startServer({ serviceCIDRVersions: ["v1beta1"] });
  server.put(range("kubernetes", "10.96.0.0/16"));
  const { sink } = await startRig(server, { serviceCIDRs: true });
  await eventually(() => expect(sink.count("synced ServiceCIDR")).toBe(1));
  expect(sink.state.get("ServiceCIDR")?.get("kubernetes")?.spec).toEqual({ cidrs: ["10.96.0.0/16"] });
});

test("are asked for again seldom where the server does not have them; all else goes on", async () => {
  const server = await startServer({ serviceCIDRVersions: [] });
  server.put(service("web"));
  const { sink, logs, waits } = await startRig(server, { serviceCIDRs: true });
  await eventually(() => expect(waits.length).toBeGreaterThan(2));
  expect(new Set(waits)).toEqual(new Set([300_000]));
  await eventually(() => expect(server.watches).toHaveLength(3));
  expect(sink.keys("Service")).toEqual(["shop/web"]);
  expect(sink.count("synced ServiceCIDR")).toBe(0);
  const told = logs.filter(({ kind, level }) => kind === "ServiceCIDR" && level >= 30);
  expect(told.map(({ level, msg }) => [level, msg])).toEqual([
    [30, "the server does not have the API, going on without"],
  ]);
});

test("that we may not read are a warning, once, and come when we may", async () => {
  const server = await startServer();
  server.forbidden.add("servicecidrs");
  server.put(range("kubernetes", "10.96.0.0/16"));
  const { sink, logs, waits } = await startRig(server, { serviceCIDRs: true });
  await eventually(() => expect(waits.length).toBeGreaterThan(2));
  expect(new Set(waits)).toEqual(new Set([300_000]));
  expect(logs.filter(({ kind, level }) => kind === "ServiceCIDR" && level >= 40)).toHaveLength(1);
  server.forbidden.clear();
  await eventually(() => expect(sink.keys("ServiceCIDR")).toEqual(["kubernetes"]));
});
