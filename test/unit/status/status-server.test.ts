/** The server on a real socket file, and clients that are slow, hostile or not allowed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jsonLines } from "../../../src/status/line-stream.ts";
import { NoProxyError, StatusClient } from "../../../src/status/status-client.ts";
import { StatusServer } from "../../../src/status/status-server.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { ViewHarness } from "./view.ts";

const ALL = { namespace: "", name: "" };
let folder: string;
let path: string;
let log: LogCapture;
const servers: StatusServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "status-"));
  path = join(folder, "proxy", "proxy.sock");
  log = new LogCapture();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(folder, { recursive: true });
});

async function serve(at = new ViewHarness(), where = path): Promise<StatusServer> {
  const server = new StatusServer({ path: where, view: at.view, logger: log.logger, requestMs: 500 });
  servers.push(server);
  await server.start();
  return server;
}

/** Sends bytes as they are; resolves with all that comes back. */
async function say(text: string): Promise<string> {
  const socket = connect({ path });
  socket.write(text);
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) answer += chunk;
  return answer;
}

describe("the socket file", () => {
  test("is its owner's only, in a folder that is made, and is gone when the proxy ends", async () => {
    const server = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.close();
    expect(existsSync(path)).toBe(false);
    expect(log.lines).toEqual([]);
  });

  test("of a proxy that was killed is replaced", async () => {
    mkdirSync(join(folder, "proxy"));
    // Node removes the file when it closes; a process that was killed does not.
    const code = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    await once(spawn(process.execPath, ["-e", code]), "exit");
    expect(existsSync(path)).toBe(true);
    await serve();
    expect((await new StatusClient(path).status()).pid).toBe(process.pid);
    expect(log.lines).toEqual([]);
  });

  test("of a proxy that runs stays that proxy's, with one warning", async () => {
    await serve(new ViewHarness("--proxy-mode=nftables"));
    const second = await serve(new ViewHarness());
    await log.until("cannot listen on the status socket");
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({
      level: 40,
      path,
      err: { message: `another process listens on ${path}` },
    });
    await second.close();
    expect((await new StatusClient(path).status()).mode).toBe("nftables");
  });

  test.each<[string, () => string, RegExp]>([
    [
      "a file that is no socket",
      () => {
        const file = join(folder, "file");
        writeFileSync(file, "precious");
        return file;
      },
      /is there, and is no socket/,
    ],
    ["a folder whose parent is missing", () => join(folder, "no/where/proxy.sock"), /ENOENT/],
    ["a file system that cannot be written to", () => "/proc/kube-proxy/proxy.sock", /ENOENT|EROFS|EACCES/],
  ])("in place of %s is one warning", async (_title, where, why) => {
    await serve(new ViewHarness(), where());
    expect(log.lines).toMatchObject([{ level: 40, err: { message: expect.stringMatching(why) } }]);
  });
});

describe("answers", () => {
  test("are what the client reads", async () => {
    const at = new ViewHarness("--proxy-mode=userspace");
    at.add("ns/web", ["10.1.0.1"]);
    at.add("other/web");
    await at.sync();
    await serve(at);
    const client = new StatusClient(path);
    expect(await client.status()).toMatchObject({ mode: "userspace", healthy: true });
    expect(await client.config()).toEqual(at.view.config);
    expect(await client.services(ALL)).toMatchObject([{ namespace: "ns" }, { namespace: "other" }]);
    expect(await client.services({ namespace: "other", name: "web" })).toHaveLength(1);
    expect(await client.endpoints({ namespace: "", name: "web" })).toMatchObject([{ ip: "10.1.0.1" }]);
  });

  test.each([
    ["POST /v1/status", /^HTTP\/1\.1 405 /],
    ["DELETE /v1/services", /^HTTP\/1\.1 405 /],
    ["GET /", /^HTTP\/1\.1 404 /],
    ["GET /v1/status/..", /^HTTP\/1\.1 404 /],
    ["GET //", /^HTTP\/1\.1 404 /],
    ["GET /v1/services?namespace=%", /^HTTP\/1\.1 200 /],
    ["rubbish", /^HTTP\/1\.1 400 /],
  ])("%s gets %s and the end of the connection", async (line, answer) => {
    await serve();
    expect(await say(`${line} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(answer);
  });
});

describe("clients", () => {
  test("that say nothing, in any number, keep nobody else out for long", async () => {
    const at = new ViewHarness();
    await serve(at);
    const silent: Socket[] = Array.from({ length: 20 }, () => connect({ path }));
    for (const socket of silent) socket.on("error", () => {});
    const closed = silent.map((socket) => once(socket.resume(), "close"));
    // Those beyond the limit are cut at once, the others when they have had time to ask.
    await Promise.all(closed);
    expect((await new StatusClient(path).status()).healthy).toBe(false);
  });

  test("that stop reading do not make the proxy write on", async () => {
    const at = new ViewHarness();
    const long = "x".repeat(60);
    for (let i = 0; i < 2_000; i++) at.add(`${long}/s${i}`);
    let resolved = 0;
    const [family] = at.view.families();
    const resolve = (key: string) => {
      resolved++;
      return family!.resolve(key);
    };
    const counting = { ...family!, resolve };
    const server = new StatusServer({
      path,
      view: { ...at.view, families: () => [counting] },
      logger: log.logger,
    });
    servers.push(server);
    await server.start();
    const socket = connect({ path });
    socket.write("GET /v1/services HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "readable");
    let before = -1;
    while (before !== resolved) {
      before = resolved;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(resolved).toBeLessThan(2_000);
    socket.destroy();
    // Once it is gone, nothing is left of its question.
    await log.until("was not finished");
    expect((await new StatusClient(path).services(ALL)).length).toBe(2_000);
  });
});

test("rows come in pieces, and other work is done between them", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const rows = function* (): Generator<object> {
    for (let i = 0; i < 200; i++) {
      const until = performance.now() + 1;
      while (performance.now() < until);
      yield { i, text: "x".repeat(1_000) };
    }
  };
  let text = "";
  let pieces = 0;
  for await (const piece of jsonLines(rows())) {
    pieces++;
    expect(piece.length).toBeLessThan(40_000);
    text += piece;
  }
  clearInterval(timer);
  expect(
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).i),
  ).toEqual([...Array(200).keys()]);
  expect(pieces).toBeGreaterThan(3);
  expect(turns).toBeGreaterThan(5);
});

describe("without a proxy the client says so", () => {
  test.each<[string, () => string, RegExp]>([
    ["no file", () => path, /no proxy runs here.*ENOENT/],
    ["no flag", () => "", /--status-socket is empty/],
  ])("%s", async (_title, where, why) => {
    const error = await new StatusClient(where()).status().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NoProxyError);
    expect((error as Error).message).toMatch(why);
  });

  test("nor is anything else that answers taken for one", async () => {
    const other = createServer((socket) => socket.end("SSH-2.0\r\n")).listen(join(folder, "ssh"));
    await once(other, "listening");
    await expect(new StatusClient(join(folder, "ssh")).status()).rejects.toThrow(/did not answer/);
    other.close();
  });
});
