import { createServer } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { closeServer, listen } from "../../../src/http/listen.ts";
import { RetryingServer } from "../../../src/http/retrying-server.ts";
import { LogCapture } from "../../support/log-capture.ts";

const occupant = createServer();
let log: LogCapture;
let server: RetryingServer;

beforeEach(() => {
  log = new LogCapture();
});
afterEach(async () => {
  await server.close();
  await closeServer(occupant);
});

function create(port: number, hardFail: boolean): RetryingServer {
  const options = {
    name: "test",
    listen: { host: "127.0.0.1", port },
    hardFail,
    logger: log.logger,
    retryMs: 1,
  };
  return new RetryingServer(options, (_request, response) => response.end("hello"));
}

test("listens, and gives the port up", async () => {
  server = create(0, false);
  await server.start();
  const { port } = server;
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hello");
  await server.close();
  expect(server.port).toBeUndefined();
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
});

test("a port in use is tried again until it is free", async () => {
  const port = await listen(occupant, { host: "127.0.0.1", port: 0 });
  server = create(port, false);
  await server.start();
  await log.until("Cannot listen for test, trying again", 3);
  expect(log.lines[0]).toMatchObject({ level: 50, port, err: { code: "EADDRINUSE" } });
  expect(server.port).toBeUndefined();
  await closeServer(occupant);
  await log.until("Listening for test");
  expect(server.port).toBe(port);
});

test("or fails the start if told so", async () => {
  const port = await listen(occupant, { host: "127.0.0.1", port: 0 });
  server = create(port, true);
  await expect(server.start()).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(log.lines).toEqual([]);
});

test("closing ends the attempts", async () => {
  const port = await listen(occupant, { host: "127.0.0.1", port: 0 });
  server = create(port, false);
  await server.start();
  await server.close();
  const tried = log.lines.length;
  await closeServer(occupant);
  // Had a timer been left, its attempt would come before this second server's third.
  const other = await listen(occupant, { host: "127.0.0.1", port: 0 });
  const second = create(other, false);
  await second.start();
  await log.until("trying again", tried + 3);
  await second.close();
  expect(log.lines.filter((line) => line.port === port)).toHaveLength(tried);
});

test("closing cuts connections that wait", async () => {
  server = create(0, false);
  await server.start();
  const socket = connect(server.port ?? 0, "127.0.0.1");
  const closed = new Promise((resolve) => {
    socket.once("close", resolve);
  });
  // Half a request: the server has the connection and waits for more.
  await new Promise((resolve) => {
    socket.write("GET / HTTP/1.1\r\n", resolve);
  });
  socket.on("error", () => undefined);
  await server.close();
  await closed;
});
