/** A family loop on a fake clock, with a backend that does as it is told and an observer that remembers. */
import type { Backend, ServiceChange, SyncResult } from "../../../src/backends/backend.ts";
import type { ServicePort } from "../../../src/model/types.ts";
import { FamilyLoop } from "../../../src/sync/family-loop.ts";
import type { SyncFailure, SyncObserver, SyncSuccess } from "../../../src/sync/observer.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { servicePort } from "../../support/service-port.ts";
import { FakeClock } from "./fake-clock.ts";

export const MIN_SYNC_MS = 1_000;
export const SYNC_MS = 30_000;
export const HOUR_MS = 3_600_000;

export interface Call {
  readonly what: "sync" | "resync" | "checkDrift" | "tend";
  readonly atMs: number;
  readonly keys: readonly string[];
}

/** Records calls; each sync fails with the next of `failures`, and lasts as long as `lastsMs` says. */
export class FakeBackend implements Backend {
  readonly mode = "fake";
  readonly family = "IPv4";
  readonly calls: Call[] = [];
  readonly failures: Error[] = [];
  lastsMs = 0;
  /** How often it walks what it is given. */
  walks = 1;
  drift: string | Error | undefined;
  refused: SyncResult["refused"] = [];
  /** Tells the loop of a change by somebody else; undefined while nobody listens. */
  reportDrift: ((what: string) => void) | undefined;
  /** Absent, as in modes in which nothing comes due, unless `tendAfter` was called. */
  tend?: () => Promise<number | undefined>;
  readonly #clock: FakeClock;
  #busy = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async probe(): Promise<void> {}
  async cleanup(): Promise<void> {}
  async describe(): Promise<Record<string, string>> {
    return {};
  }

  sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    return this.#work("sync", changes);
  }

  resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    return this.#work("resync", all);
  }

  watchDrift(onDrift: (what: string) => void): () => void {
    this.reportDrift = onDrift;
    return () => {
      this.reportDrift = undefined;
    };
  }

  /** Gives the backend work that comes due: what each `tend` in turn returns or throws, then undefined. */
  tendAfter(...waits: (number | Error)[]): void {
    this.tend = async () => {
      this.calls.push({ what: "tend", atMs: this.#clock.now(), keys: [] });
      if (this.#busy) throw new Error("calls overlap");
      const wait = waits.shift();
      if (wait instanceof Error) throw wait;
      return wait;
    };
  }

  async checkDrift(): Promise<string | undefined> {
    this.calls.push({ what: "checkDrift", atMs: this.#clock.now(), keys: [] });
    if (this.drift instanceof Error) throw this.drift;
    const drift = this.drift;
    this.drift = undefined;
    return drift;
  }

  async #work(what: "sync" | "resync", changes: Iterable<ServiceChange>): Promise<SyncResult> {
    if (this.#busy) throw new Error("calls overlap");
    let keys: string[] = [];
    for (let walk = 0; walk < this.walks; walk++) keys = [...changes].map(([key]) => key);
    this.#busy = true;
    this.calls.push({ what, atMs: this.#clock.now(), keys });
    if (this.lastsMs > 0) await new Promise<void>((resolve) => this.#clock.after(this.lastsMs, resolve));
    this.#busy = false;
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    return { full: what === "resync", refused: this.refused, phases: {}, owned: {}, written: {} };
  }
}

export type Told =
  | { readonly what: "queued" }
  | { readonly what: "pending"; readonly services: number; readonly slices: number }
  | { readonly what: "failed"; readonly failure: SyncFailure }
  | { readonly what: "succeeded"; readonly success: SyncSuccess; readonly triggerTimesMs: readonly number[] };

export class LoopHarness implements SyncObserver {
  readonly clock = new FakeClock();
  readonly startMs = this.clock.now();
  readonly backend = new FakeBackend(this.clock);
  readonly log = new LogCapture();
  readonly told: Told[] = [];
  /** The store: what the resolver finds. */
  readonly services = new Map<string, readonly ServicePort[]>();
  readonly loop: FamilyLoop;

  constructor(burst = 1) {
    this.loop = new FamilyLoop({
      backend: this.backend,
      resolve: (key) => this.services.get(key) ?? [],
      keys: () => this.services.keys(),
      minSyncPeriodMs: MIN_SYNC_MS,
      burst,
      syncPeriodMs: SYNC_MS,
      fullPassPeriodMs: HOUR_MS,
      observer: this,
      logger: this.log.logger,
      clock: this.clock,
    });
  }

  /** A loop that has done its first full pass, and whose calls are forgotten. */
  static async started(burst = 1): Promise<LoopHarness> {
    const made = new LoopHarness(burst);
    made.loop.start();
    await made.clock.advance(burst * MIN_SYNC_MS);
    made.backend.calls.length = 0;
    made.told.length = 0;
    return made;
  }

  /** A Service appears or changes. */
  change(name: string, change: Parameters<FamilyLoop["changed"]>[1] = { what: "service" }): void {
    const key = `ns/${name}`;
    this.services.set(key, [servicePort({ key, local: ["10.1.0.1"] })]);
    this.loop.changed(key, change);
  }

  /** `what seconds keys…` of each call, times counted from `sinceMs`. */
  calls(sinceMs = this.startMs): string[] {
    return this.backend.calls.map(({ what, atMs, keys }) =>
      [what, (atMs - sinceMs) / 1_000, ...keys].join(" "),
    );
  }

  get successes(): SyncSuccess[] {
    return this.told.flatMap((told) => (told.what === "succeeded" ? [told.success] : []));
  }

  get failures(): SyncFailure[] {
    return this.told.flatMap((told) => (told.what === "failed" ? [told.failure] : []));
  }

  queued(): void {
    this.told.push({ what: "queued" });
  }

  pending(_family: string, services: number, slices: number): void {
    this.told.push({ what: "pending", services, slices });
  }

  async succeeded(success: SyncSuccess): Promise<void> {
    const triggerTimesMs = [...success.applied].flatMap((entry) => entry.triggerTimesMs);
    this.told.push({ what: "succeeded", success, triggerTimesMs });
  }

  failed(failure: SyncFailure): void {
    this.told.push({ what: "failed", failure });
  }
}
