/** What systemd is told, up to the datagram that it gets. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { ProxyHealth } from "../../../src/health/proxy-health.ts";
import { encodeUnixAddress, sendUnixDatagram } from "../../../src/kernel/unix-datagram.ts";
import { farewell, NOTHING_TOLD, noticeOf, type ServiceState } from "../../../src/systemd/notice.ts";
import { ServiceManager } from "../../../src/systemd/service-manager.ts";
import { takeSupervision } from "../../../src/systemd/supervision.ts";
import { NotifySocket } from "../../support/notify-socket.ts";
import { FakeClock } from "../sync/fake-clock.ts";

const TIMEOUT_MS = 60_000;

describe("the environment", () => {
  test.each([
    ["no service manager", {}, undefined],
    ["an empty socket", { NOTIFY_SOCKET: "" }, undefined],
    ["a watchdog without a socket", { WATCHDOG_USEC: "60000000" }, undefined],
    ["no watchdog", { NOTIFY_SOCKET: "/run/n" }, { socket: "/run/n" }],
    ["a watchdog", { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "60000000" }, { socket: "@n", watchdogMs: 60_000 }],
    [
      "a watchdog for this process",
      { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "1000", WATCHDOG_PID: "7" },
      { socket: "/n", watchdogMs: 1 },
    ],
    [
      "a watchdog for another process",
      { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "1000", WATCHDOG_PID: "8" },
      { socket: "/n" },
    ],
    ["a watchdog of nonsense", { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "soon" }, { socket: "/n" }],
    ["a watchdog of no time", { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "0" }, { socket: "/n" }],
  ])("%s", (_what, variables, expected) => {
    expect(takeSupervision({ ...variables }, 7)).toEqual(expected);
  });

  test("is not handed on to other programs", () => {
    const environment = { NOTIFY_SOCKET: "/n", WATCHDOG_USEC: "1000", WATCHDOG_PID: "8", PATH: "/bin" };
    takeSupervision(environment, 7);
    expect(environment).toEqual({ PATH: "/bin" });
  });
});

describe("a notice", () => {
  const health = (now = () => 0): ProxyHealth => new ProxyHealth({ timeoutMs: TIMEOUT_MS, now });
  const starting = (waitingFor: string): ServiceState => ({
    waitingFor,
    services: 0,
    health: health().report(),
  });

  test("of a start tells what it waits for, once, and asks for more time with each sign of life", () => {
    const first = noticeOf(starting("Node n"), NOTHING_TOLD, true);
    expect(first.lines).toEqual(["STATUS=waiting for Node n", "EXTEND_TIMEOUT_USEC=60000000"]);
    expect(noticeOf(starting("Node n"), first.told, false).lines).toEqual([]);
    expect(noticeOf(starting("Node n"), first.told, true).lines).toEqual(["EXTEND_TIMEOUT_USEC=60000000"]);
    expect(noticeOf(starting("Services"), first.told, false).lines).toEqual(["STATUS=waiting for Services"]);
  });

  test("of readiness comes once, with a sign of life; the watchdog runs from then on", () => {
    const proxy = health(() => Date.UTC(2026, 0, 2, 3, 4, 5));
    proxy.updated("IPv4");
    const state = { waitingFor: undefined, services: 12, health: proxy.report() };
    const first = noticeOf(state, NOTHING_TOLD, false);
    expect(first.lines).toEqual([
      "READY=1",
      "STATUS=12 Services; IPv4 synced 2026-01-02T03:04:05Z",
      "WATCHDOG=1",
    ]);
    expect(noticeOf(state, first.told, true).lines).toEqual(["WATCHDOG=1"]);
  });

  test("has no sign of life while a family is behind, and says so", () => {
    let nowMs = 0;
    const proxy = health(() => nowMs);
    proxy.updated("IPv4");
    proxy.updated("IPv6");
    proxy.queued("IPv6");
    const state = (): ServiceState => ({ waitingFor: undefined, services: 1, health: proxy.report() });
    const { told } = noticeOf(state(), NOTHING_TOLD, true);
    nowMs = TIMEOUT_MS - 1;
    expect(noticeOf(state(), told, true).lines).toEqual(["WATCHDOG=1"]);
    nowMs = TIMEOUT_MS;
    expect(noticeOf(state(), told, true).lines).toEqual([
      "STATUS=1 Services; IPv4 synced 1970-01-01T00:00:00Z, IPv6 behind, last synced 1970-01-01T00:00:00Z",
    ]);
    proxy.updated("IPv6");
    expect(noticeOf(state(), told, true).lines).toContain("WATCHDOG=1");
  });

  test("is one assignment a line, whatever a name holds", () => {
    const hostile = "Node n\nREADY=1\u2028MAINPID=1\u0000";
    expect(noticeOf(starting(hostile), NOTHING_TOLD, false).lines).toEqual([
      "STATUS=waiting for Node n READY=1 MAINPID=1 ",
    ]);
    expect(farewell("a\r\nREADY=1")).toEqual(["STOPPING=1", "STATUS=a READY=1"]);
  });
});

describe.runIf(process.platform === "linux")("a datagram", () => {
  function listen(address: string): NotifySocket {
    const socket = new NotifySocket(address);
    onTestFinished(() => socket.close());
    return socket;
  }

  function path(): string {
    const folder = mkdtempSync(join(tmpdir(), "notify-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return join(folder, "socket");
  }

  test.each([
    ["a path", path],
    ["an abstract name", () => `@kube-proxy-test-${process.pid}-${performance.now()}`],
  ])("arrives at %s, whole", (_where, make) => {
    const address = make();
    const socket = listen(address);
    sendUnixDatagram(address, "READY=1\nSTATUS=übrig");
    sendUnixDatagram(address, "WATCHDOG=1");
    expect(socket.notices).toEqual(["READY=1\nSTATUS=übrig", "WATCHDOG=1"]);
  });

  test("to nobody says so", () => {
    expect(() => sendUnixDatagram(path(), "x")).toThrow("connect socket: ENOENT");
    expect(() => sendUnixDatagram("@nobody-listens-here", "x")).toThrow("connect socket: ECONNREFUSED");
  });

  test("never waits for a receiver that does not read", () => {
    const address = path();
    const socket = listen(address);
    const flood = () => {
      for (let i = 0; i < 100_000; i++) sendUnixDatagram(address, "x");
    };
    expect(flood).toThrow("EAGAIN");
    expect(socket.count("x")).toBeGreaterThan(0);
  });

  test.each(["", "@", "relative", "vsock:2:1", `/${"x".repeat(107)}`])("cannot go to %j", (address) => {
    expect(() => encodeUnixAddress(address)).toThrow(RangeError);
  });

  test("that was lost is sent again, with one warning, and nothing is forgotten", async () => {
    const clock = new FakeClock();
    const address = path();
    const warnings: string[] = [];
    const logger = pino({}, { write: (line: string) => void warnings.push(JSON.parse(line).msg) });
    const health = new ProxyHealth({ timeoutMs: TIMEOUT_MS, now: () => 0 });
    let state: ServiceState = { waitingFor: "Node n", services: 0, health: health.report() };
    const supervision = { socket: address, watchdogMs: 4_000 };
    const manager = new ServiceManager({ supervision, state: () => state, clock, logger });
    health.updated("IPv4");
    state = { waitingFor: undefined, services: 1, health: health.report() };
    await clock.advance(1_000);
    expect(warnings).toEqual(["cannot tell the service manager; tried again"]);

    const socket = listen(address);
    await clock.advance(250);
    expect(socket.notices).toEqual([
      "READY=1\nSTATUS=1 Services; IPv4 synced 1970-01-01T00:00:00Z\nWATCHDOG=1",
    ]);
    // Twice in the time that systemd allows.
    await clock.advance(8_000);
    expect(socket.count("WATCHDOG=1")).toBe(5);
    manager.stop("stopping");
    expect(socket.notices.at(-1)).toBe("STOPPING=1\nSTATUS=stopping");
    expect(clock.waiting).toBe(0);
  });

  test("that asks for more time goes out every 10 s of a start", async () => {
    const clock = new FakeClock();
    const address = path();
    const socket = listen(address);
    const health = new ProxyHealth({ timeoutMs: TIMEOUT_MS }).report();
    const state = () => ({ waitingFor: "Node n", services: 0, health });
    const supervision = { socket: address, watchdogMs: undefined };
    new ServiceManager({ supervision, state, clock, logger: pino({ enabled: false }) });
    await clock.advance(30_000);
    expect(socket.notices).toEqual([
      "STATUS=waiting for Node n\nEXTEND_TIMEOUT_USEC=60000000",
      ...Array(3).fill("EXTEND_TIMEOUT_USEC=60000000"),
    ]);
  });
});
