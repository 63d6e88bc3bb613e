/** When the loop syncs and what: batching, spacing, retries, drift. Time is the test's own. */
import { describe, expect, test } from "vitest";
import { servicePort } from "../../support/service-port.ts";
import { HOUR_MS, LoopHarness, MIN_SYNC_MS, SYNC_MS } from "./loop-harness.ts";

const broken = (): Error => new Error("no");

describe("the start", () => {
  test("nothing happens before it, whatever changes", async () => {
    const at = new LoopHarness();
    at.change("a");
    at.loop.requestFullPass("test");
    await at.clock.advance(HOUR_MS);
    expect(at.calls()).toEqual([]);
  });

  test("is one full pass with everything, at once, however often it is asked for", async () => {
    const at = new LoopHarness();
    at.change("a");
    at.change("b");
    at.loop.start();
    at.loop.start();
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["resync 0 ns/a ns/b"]);
    await at.clock.advance(SYNC_MS - 1);
    expect(at.calls()).toHaveLength(1);
  });
});

describe("a change", () => {
  test("on an idle loop runs without waiting, as a partial pass", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["sync 1 ns/a"]);
  });

  test("that arrives with others makes one pass; a Service changed twice is in it once", async () => {
    const at = await LoopHarness.started();
    for (const name of ["a", "b", "a"]) at.change(name);
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["sync 1 ns/a ns/b"]);
  });

  test("soon after a pass waits for the minimum interval, counted from that pass's end", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 300;
    at.change("a");
    await at.clock.advance(100);
    at.change("b");
    await at.clock.advance(300);
    at.change("c");
    await at.clock.advance(2_000);
    expect(at.calls()).toEqual(["sync 1 ns/a", "sync 2.3 ns/b ns/c"]);
  });

  test("does not wait while the burst lasts, then does", async () => {
    const at = await LoopHarness.started(3);
    const sinceMs = at.clock.now();
    for (const name of ["a", "b", "c", "d"]) {
      at.change(name);
      await at.clock.advance(10);
    }
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.calls(sinceMs)).toEqual(["sync 0 ns/a", "sync 0.01 ns/b", "sync 0.02 ns/c", "sync 1 ns/d"]);
  });

  test("is resolved as it is when the pass runs", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.services.delete("ns/a");
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["sync 1 ns/a"]);
    expect(at.successes[0]?.udp).toEqual({ previous: [], current: [] });
  });

  test("in a steady stream is applied once in each interval", async () => {
    const at = await LoopHarness.started();
    for (let i = 0; i < 50; i++) {
      at.change(`s${i}`);
      await at.clock.advance(100);
    }
    expect(at.calls().map((call) => call.split(" ")[1])).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  test("asks for a full pass when its maker says so", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.loop.requestFullPass("the node's zone changed");
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["resync 1 ns/a"]);
    await at.clock.advance(MIN_SYNC_MS);
    at.change("a");
    await at.clock.advance(0);
    expect(at.calls().at(-1)).toBe("sync 2 ns/a");
  });

  test("during a full pass is not swallowed by it", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 500;
    at.change("a");
    at.loop.requestFullPass("test");
    await at.clock.advance(100);
    at.change("b");
    at.loop.requestFullPass("again");
    await at.clock.advance(2_000);
    expect(at.calls()).toEqual(["resync 1 ns/a", "resync 2.5 ns/a ns/b"]);
  });
});

describe("a failure", () => {
  test("of a partial pass is retried at once, in full", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.backend.failures.push(broken());
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["sync 1 ns/a", "resync 1 ns/a"]);
    expect(at.failures).toMatchObject([{ family: "IPv4", full: false, error: { message: "no" } }]);
  });

  test("that goes on is retried after 1, 2, 4, 8, 16 seconds and then every sync period", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.backend.failures.push(...Array.from({ length: 9 }, broken));
    await at.clock.advance(10 * SYNC_MS);
    const retries = at.calls(at.startMs + 1_000).filter((call) => call.startsWith("resync"));
    expect(retries).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121].map((s) => `resync ${s} ns/a`));
    expect(at.failures).toHaveLength(9);
    expect(at.successes).toHaveLength(1);
  });

  test("forgets nothing: what came before, during and between is in the pass that succeeds", async () => {
    const at = await LoopHarness.started();
    at.backend.failures.push(broken(), broken(), broken());
    at.change("a", { what: "endpoints", triggerTimeMs: 1 });
    await at.clock.advance(500);
    at.change("b", { what: "endpoints", triggerTimeMs: 2 });
    await at.clock.advance(1_000);
    at.change("a", { what: "endpoints", triggerTimeMs: 3 });
    await at.clock.advance(SYNC_MS);
    const [success] = at.told.filter((told) => told.what === "succeeded");
    expect(success?.triggerTimesMs).toEqual([1, 3, 2]);
    expect(
      at
        .calls()
        .filter((call) => call.startsWith("resync"))
        .at(-1),
    ).toBe("resync 4 ns/a ns/b");
    expect(at.told.filter((told) => told.what === "pending").at(-1)).toEqual({
      what: "pending",
      services: 0,
      slices: 0,
    });
  });

  test("at the start is retried until it works", async () => {
    const at = new LoopHarness();
    at.change("a");
    at.backend.failures.push(broken(), broken());
    at.loop.start();
    await at.clock.advance(SYNC_MS - 1);
    expect(at.calls()).toEqual(["resync 0 ns/a", "resync 1 ns/a", "resync 3 ns/a"]);
  });

  test("is followed by partial passes again once a full one went well, and by short waits", async () => {
    const at = await LoopHarness.started();
    at.backend.failures.push(broken(), broken(), broken());
    at.change("a");
    await at.clock.advance(10_000);
    at.backend.calls.length = 0;
    const sinceMs = at.clock.now();
    at.change("a");
    await at.clock.advance(0);
    at.backend.failures.push(broken(), broken());
    await at.clock.advance(MIN_SYNC_MS);
    at.change("b");
    await at.clock.advance(2_000);
    expect(at.calls(sinceMs)).toEqual([
      "sync 0 ns/a",
      "sync 1 ns/b",
      "resync 1 ns/a ns/b",
      "resync 2 ns/a ns/b",
    ]);
  });

  test("of a resolver fails the pass and not the loop", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    const get = at.services.get.bind(at.services);
    at.services.get = () => {
      at.services.get = get;
      throw broken();
    };
    await at.clock.advance(0);
    expect(at.calls().at(-1)).toBe("resync 1 ns/a");
    expect(at.successes).toHaveLength(1);
  });

  test("says that a sync is asked for again, so that health and metrics see it", async () => {
    const at = await LoopHarness.started();
    at.loop.requestFullPass("test");
    at.backend.failures.push(broken());
    await at.clock.advance(0);
    expect(at.told.map(({ what }) => what)).toEqual(["queued", "failed", "queued"]);
  });
});

describe("drift", () => {
  test("is looked for in every sync period of an idle loop", async () => {
    const at = await LoopHarness.started();
    await at.clock.advance(3 * SYNC_MS);
    expect(at.calls()).toEqual(["checkDrift 30", "checkDrift 60", "checkDrift 90"]);
  });

  test("is also looked for while changes never end", async () => {
    const at = await LoopHarness.started();
    for (let i = 0; i < 400; i++) {
      at.change("a");
      await at.clock.advance(250);
    }
    expect(at.calls().filter((call) => call.startsWith("checkDrift"))).toHaveLength(3);
  });

  test("leads to a full pass that says what it repaired", async () => {
    const at = await LoopHarness.started();
    at.backend.drift = "table nat: chain KUBE-PROXY-CANARY is gone";
    await at.clock.advance(SYNC_MS);
    expect(at.calls()).toEqual(["checkDrift 30", "resync 30"]);
    expect(at.successes).toMatchObject([{ repaired: "table nat: chain KUBE-PROXY-CANARY is gone" }]);
    expect(at.log.matching("somebody else changed our rules")).toHaveLength(1);
    expect(at.told[0]).toEqual({ what: "queued" });
    at.change("a");
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.successes[1]?.repaired).toBeUndefined();
  });

  test("that cannot be repaired at once is still reported as repaired in the end, once", async () => {
    const at = await LoopHarness.started();
    at.backend.drift = "gone";
    at.backend.failures.push(broken(), broken());
    await at.clock.advance(2 * SYNC_MS);
    expect(at.successes.map(({ repaired }) => repaired)).toEqual(["gone"]);
  });

  test("that cannot be looked for is looked for again", async () => {
    const at = await LoopHarness.started();
    at.backend.drift = broken();
    await at.clock.advance(SYNC_MS);
    expect(at.log.matching("could not look for drift")).toHaveLength(1);
    at.backend.drift = undefined;
    await at.clock.advance(SYNC_MS);
    expect(at.calls()).toEqual(["checkDrift 30", "checkDrift 60"]);
  });

  test("is never looked for during a pass", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 40_000;
    at.change("a");
    await at.clock.advance(70_000);
    expect(at.calls()).toEqual(["sync 1 ns/a", "checkDrift 42", "checkDrift 60"]);
  });
});

describe("drift that the backend reports", () => {
  const CHANGE = "chain services changed by nft (pid 7)";
  const said = (at: LoopHarness): number => at.log.matching("somebody else changed our rules").length;

  test("is repaired at once by a full pass, which says what it repaired", async () => {
    const at = await LoopHarness.started();
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(0);
    expect(at.calls()).toEqual(["resync 1"]);
    expect(at.successes).toMatchObject([{ repaired: CHANGE }]);
    expect(at.log.matching("somebody else changed our rules")).toMatchObject([
      { level: 40, family: "IPv4", drift: CHANGE },
    ]);
    at.change("a");
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.successes[1]?.repaired).toBeUndefined();
  });

  test("does not wait for the minimum interval, and takes along what does", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    await at.clock.advance(10);
    at.change("b");
    await at.clock.advance(10);
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(SYNC_MS / 2);
    expect(at.calls()).toEqual(["sync 1 ns/a", "resync 1.02 ns/a ns/b"]);
  });

  test("during a pass leads to one more, however often it is reported", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 100;
    at.change("a");
    await at.clock.advance(10);
    for (let i = 0; i < 5; i++) at.backend.reportDrift?.(`${CHANGE} ${i}`);
    await at.clock.advance(SYNC_MS / 2);
    expect(at.calls()).toEqual(["sync 1 ns/a", "resync 1.1 ns/a"]);
    expect(at.successes.map(({ repaired }) => repaired)).toEqual([undefined, `${CHANGE} 0`]);
    expect(at.log.matching("somebody else changed our rules").map(({ level }) => level)).toEqual([
      40, 20, 20, 20, 20,
    ]);
  });

  test("during a repair leads to another, well within a second", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 100;
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(50);
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(SYNC_MS / 2);
    expect(at.calls()).toEqual(["resync 1", "resync 1.35"]);
    expect(at.successes.map(({ repaired }) => repaired)).toEqual([CHANGE, CHANGE]);
    expect(said(at)).toBe(2);
  });

  test("without end leaves rest between repairs", async () => {
    const at = await LoopHarness.started();
    for (let i = 0; i < 1_000; i++) {
      at.backend.reportDrift?.(CHANGE);
      await at.clock.advance(10);
    }
    expect(at.backend.calls.length).toBeGreaterThan(30);
    expect(at.backend.calls.length).toBeLessThanOrEqual(41);
  });

  test("that cannot be repaired is tried again as after any failure, and reported once", async () => {
    const at = await LoopHarness.started();
    at.backend.failures.push(broken(), broken());
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(500);
    at.backend.reportDrift?.("more");
    await at.clock.advance(SYNC_MS / 2);
    expect(at.calls()).toEqual(["resync 1", "resync 2", "resync 4"]);
    expect(at.successes.map(({ repaired }) => repaired)).toEqual([CHANGE]);
  });

  test("during a pass that fails is not forgotten", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 100;
    at.backend.failures.push(broken());
    at.change("a");
    await at.clock.advance(10);
    at.backend.reportDrift?.(CHANGE);
    await at.clock.advance(SYNC_MS / 2);
    expect(at.calls()).toEqual(["sync 1 ns/a", "resync 1.1 ns/a"]);
    expect(at.successes).toMatchObject([{ repaired: CHANGE }]);
  });

  test("is listened for from the start to the end", async () => {
    const at = new LoopHarness();
    expect(at.backend.reportDrift).toBeUndefined();
    at.loop.start();
    await at.clock.advance(0);
    const report = at.backend.reportDrift;
    expect(report).toBeDefined();
    await at.loop.stop();
    expect(at.backend.reportDrift).toBeUndefined();
    report?.(CHANGE);
    await at.clock.advance(HOUR_MS);
    expect(at.calls()).toEqual(["resync 0"]);
    expect(said(at)).toBe(0);
  });
});

describe("full passes without a reason", () => {
  const fullPasses = (at: LoopHarness): string[] => at.calls().filter((call) => call.startsWith("resync"));

  test("come every hour, idle or busy", async () => {
    const at = await LoopHarness.started();
    await at.clock.advance(HOUR_MS);
    for (let i = 0; i < 2 * 3_600; i++) {
      at.change("a");
      await at.clock.advance(1_000);
    }
    expect(fullPasses(at)).toHaveLength(3);
    expect(fullPasses(at)[0]).toBe("resync 3600");
  });

  test("come even if drift cannot be looked for", async () => {
    const at = await LoopHarness.started();
    at.backend.drift = broken();
    await at.clock.advance(HOUR_MS);
    expect(fullPasses(at)).toEqual(["resync 3600"]);
  });

  test("come sooner while Services are refused, then less and less often, and at most every hour", async () => {
    const at = await LoopHarness.started();
    at.backend.refused = [{ key: "ns/a", reason: "no" }];
    at.loop.requestFullPass("test");
    await at.clock.advance(5 * HOUR_MS);
    const minutes = at.backend.calls
      .filter(({ what }) => what === "resync")
      .map(({ atMs }) => Math.round((atMs - at.startMs) / 60_000));
    const waits = minutes.slice(1).map((minute, i) => minute - minutes[i]!);
    expect(waits.slice(0, 7)).toEqual([1, 1, 2, 4, 8, 16, 32]);
    expect(waits.slice(7).every((wait) => wait === 60)).toBe(true);
    expect(waits.length).toBeGreaterThan(8);
  });

  test("go back to every hour when nothing is refused any more", async () => {
    const at = await LoopHarness.started();
    at.backend.refused = [{ key: "ns/a", reason: "no" }];
    at.loop.requestFullPass("test");
    await at.clock.advance(SYNC_MS / 2);
    at.backend.refused = [];
    await at.clock.advance(2 * SYNC_MS);
    at.backend.calls.length = 0;
    await at.clock.advance(HOUR_MS - 2 * SYNC_MS);
    expect(fullPasses(at)).toEqual([]);
  });
});

describe("the end", () => {
  test("waits for the pass that runs and begins no other", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 500;
    at.change("a");
    await at.clock.advance(100);
    at.change("b");
    let ended = false;
    const end = at.loop.stop().then(() => {
      ended = true;
    });
    await at.clock.advance(399);
    expect(ended).toBe(false);
    await at.clock.advance(1);
    await end;
    await at.clock.advance(HOUR_MS);
    expect(at.calls()).toEqual(["sync 1 ns/a"]);
    expect(at.clock.waiting).toBe(0);
  });

  test("of an idle loop leaves no timer, and later changes do nothing", async () => {
    const at = await LoopHarness.started();
    await at.loop.stop();
    expect(at.clock.waiting).toBe(0);
    at.change("a");
    at.loop.requestFullPass("test");
    await at.clock.advance(HOUR_MS);
    expect(at.calls()).toEqual([]);
  });
});

test("a loop that was stopped before its start never starts", async () => {
  const at = new LoopHarness();
  await at.loop.stop();
  at.loop.start();
  await at.clock.advance(HOUR_MS);
  expect([at.calls(), at.clock.waiting, at.backend.reportDrift]).toEqual([[], 0, undefined]);
});

describe("what the observer is told", () => {
  test("how much waits, as it comes and when it is applied", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.change("a", { what: "endpoints" });
    at.change("b", { what: "endpoints" });
    await at.clock.advance(0);
    const told = at.told.flatMap((each) => (each.what === "pending" ? [[each.services, each.slices]] : []));
    expect(told).toEqual([
      [1, 0],
      [1, 1],
      [2, 2],
      [0, 0],
    ]);
  });

  test("since when the oldest change waits that a pass did not contain", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 500;
    at.change("a");
    await at.clock.advance(100);
    const sinceMs = at.clock.now();
    at.change("b");
    await at.clock.advance(100);
    at.change("c");
    await at.clock.advance(2_000);
    expect(at.successes.map(({ pendingSinceMs }) => pendingSinceMs)).toEqual([sinceMs, undefined]);
  });

  test("how long passes took", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 250;
    at.backend.failures.push(broken());
    at.change("a");
    await at.clock.advance(SYNC_MS / 2);
    expect(at.failures).toMatchObject([{ durationSeconds: 0.25, atMs: at.startMs + 1_250 }]);
    expect(at.successes).toMatchObject([{ durationSeconds: 0.25, atMs: at.startMs + 1_500 }]);
  });

  test.each([1, 2, 3])(
    "what the last of %d walks of a full pass saw; no walk resolves twice",
    async (walks) => {
      const at = await LoopHarness.started();
      at.backend.walks = walks;
      let resolves = 0;
      at.services.set("ns/a", []);
      at.services.get = (key) => {
        resolves++;
        return [servicePort({ key, protocol: "UDP", port: resolves })];
      };
      at.loop.requestFullPass("test");
      await at.clock.advance(0);
      expect(resolves).toBe(walks);
      expect(at.successes.at(-1)?.udp.current.map(({ port }) => port)).toEqual([walks]);
    },
  );

  test("which UDP ports a full pass found gone", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    at.services.set(
      "ns/a",
      at.services.get("ns/a")!.map((port) => ({ ...port, protocol: "UDP" })),
    );
    await at.clock.advance(MIN_SYNC_MS);
    at.services.delete("ns/a");
    at.loop.requestFullPass("test");
    await at.clock.advance(0);
    const udp = at.successes.at(-1)?.udp;
    expect([udp?.previous.map(({ label }) => label), udp?.current]).toEqual([["ns/a:p80"], []]);
  });
});

describe("work that comes due in the backend", () => {
  test("is asked for after every sync, and again when it said", async () => {
    const at = await LoopHarness.started();
    at.backend.tendAfter(2_000, 3_000);
    const sinceMs = at.clock.now();
    at.change("a");
    await at.clock.advance(20_000);
    expect(at.calls(sinceMs)).toEqual(["sync 0 ns/a", "tend 0", "tend 2", "tend 5"]);
  });

  test("a sync in between starts the wait anew", async () => {
    const at = await LoopHarness.started();
    at.backend.tendAfter(5_000, 5_000);
    const sinceMs = at.clock.now();
    at.change("a");
    await at.clock.advance(3_000);
    at.change("b");
    await at.clock.advance(10_000);
    expect(at.calls(sinceMs)).toEqual(["sync 0 ns/a", "tend 0", "sync 3 ns/b", "tend 3", "tend 8"]);
  });

  test("a failure is left to a full pass", async () => {
    const at = await LoopHarness.started();
    at.backend.tendAfter(new Error("gone"));
    const sinceMs = at.clock.now();
    at.change("a");
    await at.clock.advance(5_000);
    expect(at.calls(sinceMs)).toEqual(["sync 0 ns/a", "tend 0", "resync 1 ns/a", "tend 1"]);
    expect(at.log.matching("work between syncs failed")).toHaveLength(1);
  });

  test("ends with the loop", async () => {
    const at = await LoopHarness.started();
    at.backend.tendAfter(2_000);
    at.change("a");
    await at.clock.advance(1_000);
    await at.loop.stop();
    const before = at.backend.calls.length;
    await at.clock.advance(10_000);
    expect(at.backend.calls).toHaveLength(before);
  });
});
