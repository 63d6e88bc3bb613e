import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHealthzServer } from "../../../src/health/healthz-server.ts";
import { ProxyHealth } from "../../../src/health/proxy-health.ts";
import { LogCapture } from "../../support/log-capture.ts";

let waitingFor: string[] = [];
const health = new ProxyHealth({ timeoutMs: 60_000, waitingFor: () => waitingFor });
let answers: string[] = [];
const server = createHealthzServer({
  health,
  listen: { host: "127.0.0.1", port: 0 },
  hardFail: true,
  logger: new LogCapture().logger,
  onAnswer: (path, code) => answers.push(`${path} ${code}`),
});
const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.port}${path}`, init);

beforeAll(() => server.start());
afterAll(() => server.close());
beforeEach(() => {
  answers = [];
  waitingFor = [];
  health.setNodeEligible(true);
});

test.each(["/healthz", "/livez", "/healthz?verbose=1"])("%s answers any method", async (path) => {
  for (const method of ["GET", "POST", "DELETE"]) {
    const response = await get(path, { method });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.json()).toMatchObject({ healthy: true });
  }
  expect(new Set(answers)).toEqual(new Set([`${path.split("?")[0]} 200`]));
});

test.each(["/healthz", "/livez"])("%s says what a start waits for, and stays good", async (path) => {
  waitingFor = ["Node n1: no Node object with this name"];
  const response = await get(path);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ healthy: true, waitingFor });
  waitingFor = [];
  expect(await (await get(path)).json()).not.toHaveProperty("waitingFor");
});

test("a node about to go drains but lives", async () => {
  health.setNodeEligible(false);
  expect((await get("/healthz")).status).toBe(503);
  expect((await get("/livez")).status).toBe(200);
  expect(answers).toEqual(["/healthz 503", "/livez 200"]);
});

test.each(["/", "/healthz/", "/metrics", "//healthz"])("%s is not found", async (path) => {
  expect((await get(path)).status).toBe(404);
  expect(answers).toEqual([]);
});
