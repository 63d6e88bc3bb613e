import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ServiceHealthServers } from "../../../src/health/service-health.ts";
import { closeServer, listen } from "../../../src/http/listen.ts";
import type { IpFamily } from "../../../src/model/types.ts";
import { LogCapture } from "../../support/log-capture.ts";

const KEY = "shop/web";
let log: LogCapture;
let failures: string[];
let healthy: boolean;
let open: ServiceHealthServers[];

beforeEach(() => {
  log = new LogCapture();
  failures = [];
  healthy = true;
  open = [];
});
afterEach(() => Promise.all(open.map((servers) => servers.close())));

function create(family: IpFamily, addresses: () => string[] | "all"): ServiceHealthServers {
  const servers = new ServiceHealthServers({
    family,
    addresses,
    isHealthy: () => healthy,
    onListenFailure: (key, port, error) =>
      failures.push(`${key} ${port} ${(error as NodeJS.ErrnoException).code}`),
    logger: log.logger,
  });
  open.push(servers);
  return servers;
}

const loopback = () => create("IPv4", () => ["127.0.0.1"]);
const want = (port: number, localEndpoints: number, key = KEY) => new Map([[key, { port, localEndpoints }]]);

/** A port that was free a moment ago, in both families. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, { host: "::", port: 0 });
  await closeServer(server);
  return port;
}

async function ask(port: number, host = "127.0.0.1", init?: RequestInit) {
  const response = await fetch(`http://${host}:${port}/any/path`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const isRefused = (port: number, host?: string) =>
  ask(port, host).then(
    () => false,
    (error) => error.cause.code === "ECONNREFUSED",
  );

test.each([
  [2, true, 200],
  [0, true, 503],
  [2, false, 503],
])("%d local endpoints, proxy healthy: %s -> %d", async (localEndpoints, isHealthy, status) => {
  const port = await freePort();
  healthy = isHealthy;
  await loopback().syncServices(want(port, localEndpoints));
  for (const method of ["GET", "PUT"]) {
    const answer = await ask(port, undefined, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("x-load-balancing-endpoint-weight")).toBe(String(localEndpoints));
    expect(JSON.parse(answer.text)).toEqual({
      service: { namespace: "shop", name: "web" },
      localEndpoints,
      serviceProxyHealthy: isHealthy,
    });
    expect(answer.text).toMatch(/^\{\n\t"service": \{\n\t\t"namespace": "shop",/);
  }
});

test("counts change, servers come and go", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const servers = loopback();
  await servers.syncServices(want(first, 1));
  await servers.syncServices(want(first, 3));
  expect((await ask(first)).headers.get("x-load-balancing-endpoint-weight")).toBe("3");
  await servers.syncServices(want(second, 3));
  expect(await isRefused(first)).toBe(true);
  expect((await ask(second)).status).toBe(200);
  await servers.syncServices(new Map());
  expect(await isRefused(second)).toBe(true);
  expect(failures).toEqual([]);
});

test("a port passes from one Service to another in one sync", async () => {
  const port = await freePort();
  const servers = loopback();
  await servers.syncServices(want(port, 1));
  await servers.syncServices(want(port, 1, "shop/other"));
  expect(JSON.parse((await ask(port)).text)).toMatchObject({ service: { name: "other" } });
  expect(failures).toEqual([]);
});

test("closing cuts open connections", async () => {
  const port = await freePort();
  const servers = loopback();
  await servers.syncServices(want(port, 1));
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => {
    socket.once("close", resolve);
  });
  await new Promise((resolve) => {
    socket.write("GET / HTTP/1.1\r\n", resolve);
  });
  await servers.close();
  await closed;
});

test("syncs that overlap end with the state of the last", async () => {
  const [first, second] = [await freePort(), await freePort()];
  const servers = loopback();
  const both = [servers.syncServices(want(first, 1)), servers.syncServices(want(second, 2))];
  await Promise.all(both);
  expect(await isRefused(first)).toBe(true);
  expect((await ask(second)).status).toBe(200);
});

describe("a port that cannot be had", () => {
  let occupant: Server;
  let port: number;

  beforeEach(async () => {
    occupant = createServer();
    port = await listen(occupant, { host: "127.0.0.1", port: 0 });
  });
  afterEach(() => closeServer(occupant));

  test("is told once, and tried again at every sync", async () => {
    const servers = loopback();
    await servers.syncServices(want(port, 1));
    await servers.syncServices(want(port, 1));
    expect(failures).toEqual([`${KEY} ${port} EADDRINUSE`]);
    expect(log.lines.filter(({ level }) => level === 50)).toMatchObject([
      { service: KEY, port, family: "IPv4" },
    ]);
    await closeServer(occupant);
    await servers.syncServices(want(port, 1));
    expect((await ask(port)).status).toBe(200);
    expect(failures).toHaveLength(1);
  });

  test("does not keep the other addresses and Services from listening", async () => {
    const other = await freePort();
    const servers = create("IPv4", () => ["127.0.0.1", "127.0.0.2"]);
    await servers.syncServices(new Map([...want(port, 1), ...want(other, 1, "shop/other")]));
    expect((await ask(port, "127.0.0.2")).status).toBe(200);
    expect((await ask(other, "127.0.0.2")).status).toBe(200);
    expect(failures).toEqual([`${KEY} ${port} EADDRINUSE`]);
    await closeServer(occupant);
    await servers.syncServices(new Map([...want(port, 1), ...want(other, 1, "shop/other")]));
    expect((await ask(port, "127.0.0.1")).status).toBe(200);
    expect((await ask(port, "127.0.0.2")).status).toBe(200);
  });
});

describe("where it listens", () => {
  test("all addresses, each family for itself", async () => {
    const port = await freePort();
    await create("IPv4", () => "all").syncServices(want(port, 1));
    await create("IPv6", () => "all").syncServices(want(port, 7));
    expect(failures).toEqual([]);
    expect((await ask(port, "127.0.0.1")).headers.get("x-load-balancing-endpoint-weight")).toBe("1");
    expect((await ask(port, "[::1]")).headers.get("x-load-balancing-endpoint-weight")).toBe("7");
  });

  test("all addresses if they cannot be listed", async () => {
    const port = await freePort();
    const servers = create("IPv4", () => {
      throw new Error("no netlink");
    });
    await servers.syncServices(want(port, 1));
    expect((await ask(port, "127.0.0.3")).status).toBe(200);
    expect(log.matching("Cannot list node addresses")).toMatchObject([
      { level: 50, err: { message: "no netlink" } },
    ]);
  });

  test("nowhere while there is no address, and on the first that comes", async () => {
    const port = await freePort();
    let addresses: string[] = [];
    const servers = create("IPv4", () => addresses);
    await servers.syncServices(want(port, 1));
    expect(await isRefused(port)).toBe(true);
    addresses = ["127.0.0.1"];
    await servers.syncServices(want(port, 1));
    expect((await ask(port)).status).toBe(200);
    expect(await isRefused(port, "127.0.0.2")).toBe(true);
  });
});
