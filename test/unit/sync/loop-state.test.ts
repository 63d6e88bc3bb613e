/** What the loop tells of itself: how far the kernel is, as a whole and for each Service. */
import { describe, expect, test } from "vitest";
import { LoopHarness, MIN_SYNC_MS, SYNC_MS } from "./loop-harness.ts";

describe("a Service", () => {
  test("is pending until the sync that has it has ended, also while that runs", async () => {
    const at = new LoopHarness();
    at.change("a");
    expect(at.loop.progressOf("ns/a")).toBe("pending");
    at.backend.lastsMs = 500;
    at.loop.start();
    await at.clock.advance(100);
    expect(at.loop.state()).toMatchObject({ syncing: true, pending: 1, oldestPendingMs: at.startMs });
    expect(at.loop.progressOf("ns/a")).toBe("pending");
    await at.clock.advance(500);
    expect(at.loop.state()).toMatchObject({ syncing: false, pending: 0, oldestPendingMs: undefined });
    expect(at.loop.progressOf("ns/a")).toBe("programmed");
  });

  test("that changed after a failure stays pending, others stay programmed", async () => {
    const at = await LoopHarness.started();
    at.change("a");
    await at.clock.advance(MIN_SYNC_MS);
    for (const why of ["first", "second", "third"]) at.backend.failures.push(new Error(why));
    at.change("b");
    await at.clock.advance(MIN_SYNC_MS);
    expect([at.loop.progressOf("ns/a"), at.loop.progressOf("ns/b")]).toEqual(["programmed", "pending"]);
    expect([...at.loop.pendingKeys()]).toEqual(["ns/b"]);
  });

  test("that the kernel will not take is refused, until it does", async () => {
    const at = await LoopHarness.started();
    at.backend.refused = [{ key: "ns/a", reason: "no such thing" }];
    at.change("a");
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.loop.progressOf("ns/a")).toBe("refused");
    expect([...at.loop.history.refused]).toEqual([["ns/a", "no such thing"]]);
    at.change("a");
    expect(at.loop.progressOf("ns/a")).toBe("pending");
    at.backend.refused = [];
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.loop.progressOf("ns/a")).toBe("programmed");
  });

  test("that is changed again while it is synced counts once", async () => {
    const at = await LoopHarness.started();
    at.backend.lastsMs = 500;
    at.change("a");
    await at.clock.advance(100);
    at.change("a");
    expect([at.loop.state().pending, [...at.loop.pendingKeys()]]).toEqual([1, ["ns/a", "ns/a"]]);
  });
});

describe("the state", () => {
  test("before the start has nothing but what waits", () => {
    const at = new LoopHarness();
    at.change("a");
    expect(at.loop.state()).toMatchObject({
      started: false,
      syncing: false,
      pending: 1,
      fullPassDue: "start",
    });
    expect(at.loop.history.lastSync).toBeUndefined();
  });

  test("has the last failure, when it is tried again, and forgets that when it goes well", async () => {
    const at = await LoopHarness.started();
    for (const why of ["first", "second", "third"]) at.backend.failures.push(new Error(why));
    at.change("a");
    await at.clock.advance(MIN_SYNC_MS);
    expect(at.loop.history).toMatchObject({
      isFailing: true,
      lastFailure: { message: "third", full: true },
    });
    const { retryAtMs, fullPassDue } = at.loop.state();
    expect([retryAtMs! > at.clock.now(), fullPassDue]).toEqual([true, "a sync failed"]);
    await at.clock.advance(SYNC_MS / 2);
    expect(at.loop.history).toMatchObject({ isFailing: false, lastFailure: { message: "third" } });
    expect(at.loop.state()).toMatchObject({ retryAtMs: undefined, fullPassDue: undefined, pending: 0 });
  });

  test("counts repairs and has the last one", async () => {
    const at = await LoopHarness.started();
    for (const drift of ["chain A", "chain B"]) {
      at.backend.reportDrift?.(drift);
      await at.clock.advance(MIN_SYNC_MS);
    }
    expect(at.loop.history).toMatchObject({ repairs: 2, lastRepair: { drift: "chain B" } });
  });
});
