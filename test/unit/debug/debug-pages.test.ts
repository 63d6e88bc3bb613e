import type { Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { createDebugPages } from "../../../src/debug/debug-pages.ts";
import { closeServer, createHttpServer, listen, replyNotFound } from "../../../src/http/listen.ts";
import { createLogger, verbosityOf } from "../../../src/logging/logger.ts";
import { KUBERNETES_VERSION } from "../../../src/version.ts";
import { readPprof } from "./read-pprof.ts";

const servers: Server[] = [];
afterEach(() => Promise.all(servers.splice(0).map(closeServer)));

const FLAGS = new Map([
  ["v", "0"],
  ["profiling", "true"],
  ["cluster-cidr", "10.0.0.0/8"],
]);

async function serve({ profiling = false, featureGates = {} }) {
  const logger = createLogger({ format: "text", verbosity: 2 }, { stderr: { write }, stdout: { write } });
  const pages = createDebugPages({ config: { profiling, featureGates }, flags: FLAGS, logger });
  const server = createHttpServer((request, response) => {
    if (!pages(request, response)) replyNotFound(response);
  });
  servers.push(server);
  const port = await listen(server, { host: "127.0.0.1", port: 0 });
  return {
    logger,
    get: (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init),
  };
}

const write = (): void => {};
const bodyOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

/** Work that a profile shows under this name. */
function burnProcessorTime(ms: number): number {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) sum += Math.sqrt(sum + 1);
  return sum;
}

describe("without --profiling and gates", () => {
  it.each([
    "/debug/pprof/",
    "/debug/pprof/heap",
    "/debug/pprof/profile",
    "/debug/flags/v",
    "/flagz",
    "/statusz",
  ])("%s is not found", async (path) => {
    const { get } = await serve({ featureGates: { AllAlpha: false } });
    expect((await get(path)).status).toBe(404);
  });
});

describe("/debug/pprof/", () => {
  it.each(["/debug/pprof/", "/debug/pprof"])("%s tells what there is", async (path) => {
    const { get } = await serve({ profiling: true });
    const response = await get(path);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toMatch(/profile\?seconds=30[\s\S]*heap/);
  });

  it.each(["/debug/pprof/goroutine", "/debug/pprofile", "/debug/", "/debug/flags"])(
    "%s is not found",
    async (path) => {
      const { get } = await serve({ profiling: true });
      expect((await get(path)).status).toBe(404);
    },
  );

  it("profile shows who used the processor", async () => {
    const { get } = await serve({ profiling: true });
    const answer = get("/debug/pprof/profile?seconds=0.5");
    const burning = setInterval(() => burnProcessorTime(20), 25);
    const response = await answer;
    clearInterval(burning);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const { samples, sampleTypes } = readPprof(await bodyOf(response));
    expect(sampleTypes).toEqual(["samples/count", "cpu/nanoseconds"]);
    const ours = samples.filter(({ stack }) => stack.some((frame) => frame.startsWith("burnProcessorTime ")));
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.every(({ values }) => (values[0] ?? 0) > 0)).toBe(true);
    expect(ours.reduce((sum, { values }) => sum + (values[1] ?? 0), 0)).toBeGreaterThan(0);
  });

  it("one profile is taken at a time, and one that nobody waits for is given up", async () => {
    const { get } = await serve({ profiling: true });
    const leaving = new AbortController();
    const first = get("/debug/pprof/profile?seconds=600", { signal: leaving.signal });
    await expect
      .poll(async () => (await get("/debug/pprof/profile?seconds=0.01")).status, { timeout: 10_000 })
      .toBe(503);
    leaving.abort();
    await expect(first).rejects.toThrow();
    await expect
      .poll(async () => (await get("/debug/pprof/profile?seconds=0.01")).status, { timeout: 10_000 })
      .toBe(200);
  });

  it.each(["0", "-1", "x", "601", "NaN"])(
    "profile?seconds=%s is refused, with what is allowed",
    async (seconds) => {
      const { get } = await serve({ profiling: true });
      const response = await get(`/debug/pprof/profile?seconds=${seconds}`);
      expect(response.status).toBe(400);
      expect(await response.text()).toBe(`seconds: "${seconds}": must be more than 0 and at most 600\n`);
    },
  );

  it("heap shows who allocated what is in use", async () => {
    const { get } = await serve({ profiling: true });
    // Answered once sampling has begun.
    await get("/debug/pprof/heap");
    const kept = allocateALot();
    const { samples, sampleTypes } = readPprof(await bodyOf(await get("/debug/pprof/heap")));
    expect(sampleTypes).toEqual(["inuse_space/bytes"]);
    const ours = samples.filter(({ stack }) => stack.some((frame) => frame.startsWith("allocateALot ")));
    expect(ours.reduce((sum, { values }) => sum + (values[0] ?? 0), 0)).toBeGreaterThan(1_000_000);
    expect(kept).toHaveLength(200_000);
  });
});

function allocateALot(): object[] {
  const kept: object[] = [];
  for (let i = 0; i < 200_000; i++) kept.push({ i, text: `${i}`, list: [i] });
  return kept;
}

describe("/debug/flags/v", () => {
  const put = (body: string): RequestInit => ({ method: "PUT", body });

  it("tells the verbosity and changes it", async () => {
    const { get, logger } = await serve({ profiling: true });
    expect(await (await get("/debug/flags/v")).text()).toBe("2\n");
    const response = await get("/debug/flags/v", put("6\n"));
    expect([response.status, await response.text()]).toEqual([
      200,
      "successfully set klog.logging.verbosity to 6",
    ]);
    expect([verbosityOf(logger), logger.isLevelEnabled("trace")]).toEqual([6, true]);
    expect(await (await get("/debug/flags/v")).text()).toBe("6\n");
  });

  it.each(["", "-1", "x", "1.5", "2147483648", "9".repeat(1_000)])("refuses %j", async (body) => {
    const { get, logger } = await serve({ profiling: true });
    const response = await get("/debug/flags/v", put(body));
    expect([response.status, await response.text()]).toEqual([
      400,
      "the verbosity must be a whole number from 0 to 2147483647\n",
    ]);
    expect(verbosityOf(logger)).toBe(2);
  });

  it("takes no other method", async () => {
    const { get } = await serve({ profiling: true });
    const response = await get("/debug/flags/v", { method: "POST", body: "6" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, PUT"]);
  });
});

describe("z-pages", () => {
  it.each([{ ComponentFlagz: true }, { AllAlpha: true }])(
    "/flagz with %j lists the flags",
    async (featureGates) => {
      const { get } = await serve({ featureGates });
      const text = await (await get("/flagz")).text();
      expect(text).toMatch(
        /^\nkube-proxy flagz\nWarning: .*debugging purposes only\.\n\ncluster-cidr=10\.0\.0\.0\/8\nprofiling=true\nv=0\n$/,
      );
    },
  );

  it("/statusz tells since when what runs", async () => {
    const { get } = await serve({ featureGates: { ComponentStatusz: true } });
    const text = await (await get("/statusz")).text();
    expect(text).toMatch(/^\nkube-proxy statusz\nWarning: /);
    expect(text).toMatch(/^Started: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\nUp: \d+ hr \d\d min \d\d sec$/m);
    expect(text).toContain(`Binary version: ${KUBERNETES_VERSION.slice(1)} `);
    expect((await get("/flagz")).status).toBe(404);
  });
});
