import { type IncomingMessage, request, type ServerResponse } from "node:http";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createMetricsServer } from "../../../src/metrics/metrics-server.ts";
import { ProxyMetrics } from "../../../src/metrics/proxy-metrics.ts";
import { LogCapture } from "../../support/log-capture.ts";

const shown = {
  mode: "iptables",
  configz: { "kubeproxy.config.k8s.io": { HostnameOverride: "node-1" } },
  pages: (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.url !== "/another") return false;
    response.end("page");
    return true;
  },
} as const;
const metrics = new ProxyMetrics({ mode: "iptables", families: ["IPv4"] });
const log = new LogCapture();
const listen = { host: "127.0.0.1", port: 0 };
const server = createMetricsServer({ metrics, ...shown, listen, hardFail: true, logger: log.logger });

beforeAll(() => server.start());
afterAll(() => server.close());

/** fetch would undo the compression. */
function get(path: string, headers: Record<string, string> = {}, port = server.port) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
    (resolve, reject) => {
      request({ host: "127.0.0.1", port, path, headers }, async (response) => {
        const body = Buffer.concat(await response.toArray());
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      })
        .on("error", reject)
        .end();
    },
  );
}

test("/metrics", async () => {
  const { status, headers, body } = await get("/metrics");
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(headers["content-encoding"]).toBeUndefined();
  expect(body.toString()).toContain(
    'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 0\n',
  );
  expect(body.toString()).toMatch(/^process_resident_memory_bytes \d+$/m);
});

test.each<[string, boolean]>([
  ["gzip", true],
  ["deflate, gzip;q=1.0", true],
  ["GZIP", true],
  ["gzip;q=0.5,*;q=0", true],
  ["gzip;q=0", false],
  ["gzip; q=0.000", false],
  ["br", false],
  ["", false],
])("Accept-Encoding %j: compressed %s", async (accepted, compressed) => {
  const { headers, body } = await get("/metrics", { "accept-encoding": accepted });
  expect(headers["content-encoding"]).toBe(compressed ? "gzip" : undefined);
  expect((compressed ? gunzipSync(body) : body).toString()).toContain("kubernetes_build_info{");
});

test.each<[string, string, string]>([
  ["/healthz", "text/plain; charset=utf-8", "ok"],
  ["/proxyMode", "text/plain; charset=utf-8", "iptables"],
  ["/configz", "application/json", JSON.stringify(shown.configz)],
])("%s", async (path, type, body) => {
  const answer = await get(path);
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({ "content-type": type, "x-content-type-options": "nosniff" });
  expect(answer.body.toString()).toBe(body);
});

test("/metrics/slis: results of health checks alone, as they are asked for", async () => {
  const sample = 'kubernetes_healthcheck{name="ping",type="healthz"} 1';
  await get("/healthz");
  metrics.healthzAnswered("/livez", 503);
  const { status, headers, body } = await get("/metrics/slis", { "accept-encoding": "gzip" });
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  const text = gunzipSync(body).toString();
  expect(text).toContain(`${sample}\n`);
  expect(text).toContain('kubernetes_healthcheck{name="proxy",type="livez"} 0\n');
  expect(text).toContain('kubernetes_healthchecks_total{name="proxy",type="livez",status="error"} 1\n');
  expect(text).not.toContain("kubeproxy_");
  expect((await get("/metrics")).body.toString()).not.toContain("kubernetes_healthcheck");
});

test("a page of somebody else", async () => {
  expect((await get("/another")).body.toString()).toBe("page");
});

test.each(["/", "/metrics/", "/metrics/slis/", "/debug/pprof/", "/proxymode"])(
  "%s is not found",
  async (path) => {
    expect((await get(path)).status).toBe(404);
  },
);

test("metrics that cannot be rendered are an error, not silence", async () => {
  const render = () => Promise.reject(new Error("broken"));
  const broken = createMetricsServer({
    metrics: { render, slis: metrics.slis },
    ...shown,
    listen,
    hardFail: true,
    logger: log.logger,
  });
  await broken.start();
  expect((await get("/metrics", {}, broken.port)).status).toBe(500);
  expect(log.matching("Cannot render")).toMatchObject([{ err: { message: "broken" } }]);
  await broken.close();
});
