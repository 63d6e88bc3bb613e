/** Small parts: timers, limits, headers, counters, what is told of failures. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission } from "../../../src/relay/admission.ts";
import { ECONNREFUSED, EHOSTUNREACH, EMFILE, ETIMEDOUT } from "../../../src/relay/constants.ts";
import { DialRate } from "../../../src/relay/dial-rate.ts";
import { DIAL_BOUNDS_MS, DialTimes, dialBucket } from "../../../src/relay/dial-times.ts";
import { FailureLog } from "../../../src/relay/failure-log.ts";
import { failureReason } from "../../../src/relay/failure-reason.ts";
import { Loop } from "../../../src/relay/loop.ts";
import { proxyHeader } from "../../../src/relay/proxy-header.ts";
import { completeSettings } from "../../../src/relay/settings.ts";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { portStats } from "../../../src/relay/stats.ts";
import { Timers } from "../../../src/relay/timers.ts";
import type { FailureBatch } from "../../../src/relay/types.ts";
import { VirtualPort } from "../../../src/relay/virtual-port.ts";

describe("timers", () => {
  it("run what is due, in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1000 })),
        fc.integer({ min: 0, max: 1000 }),
        (times, now) => {
          const timers = new Timers();
          const ran: number[] = [];
          for (const at of times) timers.add(at, { onTimer: () => ran.push(at) });
          timers.run(now);
          const sorted = [...times].sort((a, b) => a - b);
          expect(ran).toEqual(sorted.filter((at) => at <= now));
          expect(timers.next).toBe(sorted.find((at) => at > now) ?? Number.POSITIVE_INFINITY);
          expect(timers.size).toBe(times.length - ran.length);
        },
      ),
    );
  });

  it("run what is added while they run", () => {
    const timers = new Timers();
    const ran: string[] = [];
    timers.add(1, {
      onTimer(now) {
        ran.push("first");
        timers.add(now, { onTimer: () => ran.push("second") });
        timers.add(now + 1, { onTimer: () => ran.push("later") });
      },
    });
    timers.run(5);
    expect(ran).toEqual(["first", "second"]);
  });
});

describe("admission", () => {
  it("limits all clients and each of them", () => {
    const admission = new Admission(3, 2);
    expect(["a", "a", "a", "b", "c"].map((client) => admission.enter(client))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
    admission.leave("a");
    expect(admission.enter("c")).toBe(true);
    for (const client of ["a", "b", "c"]) admission.leave(client);
    expect(admission.count).toBe(0);
  });
});

describe("the PROXY protocol's header", () => {
  const source4 = encodeSocketAddress("192.168.0.1", 56324);
  const destination4 = encodeSocketAddress("192.168.0.11", 443);
  const source6 = encodeSocketAddress("fd00::1", 1);
  const destination6 = encodeSocketAddress("fd00::2", 65535);

  it("is a line of text in version 1", () => {
    expect(String(proxyHeader(1, source4, destination4))).toBe(
      "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
    );
    expect(String(proxyHeader(1, source6, destination6))).toBe("PROXY TCP6 fd00::1 fd00::2 1 65535\r\n");
  });

  it("is binary in version 2", () => {
    expect(proxyHeader(2, source4, destination4).toString("hex")).toBe(
      `0d0a0d0a000d0a515549540a2111000cc0a80001c0a8000bdc0401bb`,
    );
    expect(proxyHeader(2, source6, destination6).toString("hex")).toBe(
      `0d0a0d0a000d0a515549540a21210024${"fd00000000000000"}${"0000000000000001"}` +
        `${"fd00000000000000"}${"0000000000000002"}0001ffff`,
    );
  });
});

describe("dial times", () => {
  it("fall into buckets, whose bounds belong to them", () => {
    expect(dialBucket(0)).toBe(0);
    expect(dialBucket(1)).toBe(DIAL_BOUNDS_MS.indexOf(1));
    expect(dialBucket(1.01)).toBe(DIAL_BOUNDS_MS.indexOf(2.5));
    expect(dialBucket(1e6)).toBe(DIAL_BOUNDS_MS.length);
    const times = new DialTimes();
    times.add(3);
    times.add(4);
    expect(times.counts[dialBucket(3)]).toBe(2);
    expect(times.totalMs).toBe(7);
  });
});

describe("the rate of dials", () => {
  it("is high after some thousand in a minute, and for a while", () => {
    const rate = new DialRate();
    const many = Array.from({ length: 4001 }, () => rate.count(1000));
    expect(many.indexOf(true)).toBe(4000);
    expect(rate.count(100_000)).toBe(true);
    expect(rate.count(200_000)).toBe(false);
  });
});

describe("failures", () => {
  it("have a reason by errno", () => {
    expect([ECONNREFUSED, ETIMEDOUT, EMFILE, EHOSTUNREACH, 1].map(failureReason)).toEqual([
      "refused",
      "timeout",
      "resources",
      "unreachable",
      "unreachable",
    ]);
  });

  it("are told in batches, and only so many", () => {
    const batches: FailureBatch[] = [];
    const loop = new Loop((error) => {
      throw error;
    });
    const log = new FailureLog(loop, (batch) => batches.push(batch));
    const failure = { id: "x", client: "c", destination: "d", reason: "refused" as const, tried: [] };
    for (let i = 0; i < 50; i++) log.add(() => failure);
    log.onTimer(loop.now);
    log.onTimer(loop.now);
    loop.close();
    expect(batches.map(({ failures, suppressed }) => [failures.length, suppressed])).toEqual([[20, 30]]);
  });
});

describe("the loop", () => {
  it("goes on after an error, and tells whose it was", () => {
    const errors: unknown[] = [];
    const loop = new Loop((error) => errors.push(error));
    const order: string[] = [];
    loop.after(0, {
      onTimer() {
        throw "timer";
      },
    });
    loop.again({
      resume() {
        order.push("resumed");
        throw "resumable";
      },
    });
    loop.again({ resume: () => order.push("next") });
    loop.turn();
    loop.close();
    expect(errors).toEqual(["resumable", "timer"]);
    expect(order).toEqual(["resumed", "next"]);
  });
});

describe("settings", () => {
  it("are completed, also in part", () => {
    const settings = completeSettings({ limits: { associations: 5 }, udpIdleMs: 99 });
    expect(settings.limits).toMatchObject({ associations: 5, connections: 32_768 });
    expect(settings.udpStreamIdleMs).toBe(99);
    expect(completeSettings({ udpStreamIdleMs: 3 }).udpStreamIdleMs).toBe(3);
    expect(completeSettings({})).toMatchObject({ udpIdleMs: 250, connectTimeoutMs: 4000 });
  });
});

describe("statistics", () => {
  it("are copies, of endpoints that were tried", () => {
    const port = new VirtualPort("ns/web:http", "TCP");
    const endpoints = { pod: ["10.0.0.1:80"], outside: [], node: [] };
    const spec = { id: port.id, protocol: port.protocol, destinations: [], endpoints };
    port.configure({ ...spec, affinitySeconds: 0, proxyProtocol: 0, keepSource: false }, 10, 1);
    const [endpoint] = port.endpoints.values();
    expect(portStats(port).endpoints).toEqual([]);
    endpoint!.counters.total++;
    const before = portStats(port);
    port.counters.failures.refused++;
    port.counters.total++;
    endpoint?.dialTimes.add(1);
    expect(before.failures.refused).toBe(0);
    expect(before.endpoints[0]?.dialTimeTotalMs).toBe(0);
    expect(portStats(port)).toMatchObject({ total: 1, draining: false, failures: { refused: 1 } });
    expect(portStats(port).endpoints).toMatchObject([{ endpoint: "10.0.0.1:80", dialTimeTotalMs: 1 }]);
  });
});
