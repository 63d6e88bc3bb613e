/** The loop on the real backend, while restores fail and others meddle: in the end the kernel holds what it should. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FamilyLoop } from "../../../src/sync/family-loop.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { Cluster, history } from "../backends/iptables-backend/arbitraries.ts";
import { lockTimeout, startBackend, stateOf } from "../backends/iptables-backend/harness.ts";
import { FakeClock } from "./fake-clock.ts";
import { HOUR_MS, MIN_SYNC_MS, SYNC_MS } from "./loop-harness.ts";

const MEDDLING = ["*nat\nCOMMIT\n", "*filter\nCOMMIT\n", "*mangle\nCOMMIT\n"];

/** What happens around each batch of changes. */
const step = fc.record({
  changes: history.map(([first]) => first!.changes),
  failures: fc.nat({ max: 3 }),
  meddling: fc.option(fc.constantFrom(...MEDDLING), { freq: 3 }),
  waitMs: fc.constantFrom(0, 100, MIN_SYNC_MS, 10_000, SYNC_MS),
});

test("no change is lost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      const clock = new FakeClock();
      const cluster = new Cluster();
      const { backend, kernel } = await startBackend({ chainsPerCommit: 3 });
      const loop = new FamilyLoop({
        backend,
        resolve: (key) => cluster.ports(key),
        keys: () => cluster.all.map(([key]) => key),
        minSyncPeriodMs: MIN_SYNC_MS,
        burst: 1,
        syncPeriodMs: SYNC_MS,
        fullPassPeriodMs: HOUR_MS,
        observer: { queued() {}, pending() {}, failed() {}, async succeeded() {} },
        logger: new LogCapture().logger,
        clock,
      });
      loop.start();
      for (const { changes, failures, meddling, waitMs } of steps) {
        for (let i = 0; i < failures; i++) kernel.failures.push(lockTimeout());
        cluster.take(changes);
        for (const [key] of changes) loop.changed(key, { what: "endpoints" });
        await clock.advance(waitMs);
        if (meddling === null) continue;
        await meddle(kernel, meddling);
      }
      kernel.failures.length = 0;
      await clock.advance(3 * SYNC_MS);
      const fresh = await startBackend();
      await fresh.backend.resync(cluster.all);
      const comments = !cluster.wasLarge;
      expect(stateOf(kernel.dump(), { comments })).toEqual(stateOf(fresh.kernel.dump(), { comments }));
      await clock.advance(HOUR_MS);
      expect(stateOf(kernel.dump())).toEqual(stateOf(fresh.kernel.dump()));
      await loop.stop();
    }),
    { numRuns: 30 },
  );
});

/** Somebody else replaces a table; failures waiting for the proxy's own restores do not hit him. */
async function meddle(
  kernel: Awaited<ReturnType<typeof startBackend>>["kernel"],
  document: string,
): Promise<void> {
  const waiting = kernel.failures.splice(0);
  await kernel.restore(document, { noflush: false });
  kernel.failures.push(...waiting);
}
