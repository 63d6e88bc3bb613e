/**
 * Keeps one family's kernel state equal to the store: collects changes, spaces bursts, retries, looks for drift.
 *
 * Invariants: backend calls never overlap; a change stays pending until a sync that contained it succeeded; after a
 * failure the next sync is a full pass, because what the kernel holds is no longer known.
 */
import type { Backend, ServiceChange, SyncResult } from "../backends/backend.ts";
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { ServiceKey, ServicePort } from "../model/types.ts";
import { BurstBudget } from "./burst-budget.ts";
import type { Clock } from "./clock.ts";
import type { SyncObserver } from "./observer.ts";
import { type ChangeInfo, PendingChanges, type PendingService } from "./pending-changes.ts";
import { ServiceLedger } from "./service-ledger.ts";
import { SyncHistory, type SyncRecord } from "./sync-history.ts";

/** Wait after the second failure in a row; doubles up to the sync period. The first is retried at once, in full. */
const FIRST_RETRY_MS = 1_000;
/** From the end of one repair to the start of the next: two programs that undo each other must not fill the CPU. */
const REPAIR_REST_MS = 250;

export interface FamilyLoopOptions {
  readonly backend: Backend;
  /** The resolved ports of a Service in the backend's family; empty when it is gone. */
  readonly resolve: (key: ServiceKey) => readonly ServicePort[];
  readonly keys: () => Iterable<ServiceKey>;
  /** From the end of one sync to the start of the next. */
  readonly minSyncPeriodMs: number;
  /** Syncs that may follow each other at once before `minSyncPeriodMs` spaces them. */
  readonly burst: number;
  /** Between looks for drift, and the longest wait for a retry. */
  readonly syncPeriodMs: number;
  /** Between full passes without any other reason, which find what no detector sees. */
  readonly fullPassPeriodMs: number;
  readonly observer: SyncObserver;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Where a loop stands. Times are milliseconds since the epoch. */
export interface LoopState {
  /** Everything needed has been listed, so that syncs may begin. */
  readonly started: boolean;
  readonly syncing: boolean;
  /** Services with changes that the kernel does not have yet. */
  readonly pending: number;
  readonly oldestPendingMs: number | undefined;
  /** Why everything will be compared next; undefined when it will not. */
  readonly fullPassDue: string | undefined;
  /** When a sync that failed is tried again. */
  readonly retryAtMs: number | undefined;
}

/** How far the kernel is with a Service. */
export type ServiceProgress = "programmed" | "pending" | "refused";

export class FamilyLoop {
  readonly #options: FamilyLoopOptions;
  readonly #pending = new PendingChanges();
  readonly #ledger = new ServiceLedger();
  readonly #history = new SyncHistory();
  /** What the running sync applies. */
  #inFlight: ReadonlyMap<ServiceKey, PendingService> = new Map();
  #fullReason: string | undefined = "start";
  #repaired: string | undefined;
  #started = false;
  #stopped = false;
  #running: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #cancelDriftTimer: (() => void) | undefined;
  #stopDriftWatch: (() => void) | undefined;
  #driftDue = false;
  #cancelTendTimer: (() => void) | undefined;
  #tendDue = false;
  /** A repair that was asked for does not wait for `minSyncPeriodMs`, only for this. */
  #nextRepairMs = 0;
  readonly #budget: BurstBudget;
  /** After a failure: when to try again. */
  #retryAtMs = 0;
  /** When a full pass is due without any change, and why. */
  #nextFull = { atMs: 0, reason: "periodic" };
  #refusedDelayMs: number;
  #failures = 0;

  constructor(options: FamilyLoopOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "family-loop") };
    this.#refusedDelayMs = options.syncPeriodMs;
    this.#budget = new BurstBudget(options.minSyncPeriodMs, options.burst);
  }

  /** Begins to sync; before this, changes only collect. Call it when every kind has been listed once. */
  start(): void {
    if (this.#started || this.#stopped) return;
    this.#started = true;
    this.#reportQueued();
    this.#schedule();
    this.#planLookForDrift();
    this.#stopDriftWatch = this.#options.backend.watchDrift?.((drift) => this.#toldOfDrift(drift));
  }

  /** A Service or its endpoints changed. */
  changed(key: ServiceKey, change: ChangeInfo): void {
    this.#pending.add(key, this.#options.clock.now(), change);
    this.#reportQueued();
    this.#reportPending();
    this.#schedule();
  }

  /** Asks for a full pass, for a reason that goes into the log. */
  requestFullPass(reason: string): void {
    this.#fullReason ??= reason;
    this.#reportQueued();
    this.#schedule();
  }

  /** Ends the loop after the sync that is running; the kernel keeps its rules. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelDriftTimer?.();
    this.#cancelTendTimer?.();
    this.#stopDriftWatch?.();
    await this.#running;
  }

  /** Where the loop stands now. */
  state(): LoopState {
    const waiting = [...this.pendingKeys()];
    return {
      started: this.#started,
      syncing: this.#running !== undefined,
      pending: new Set(waiting).size,
      oldestPendingMs: oldest([...this.#inFlight.values()], this.#pending.oldestMs),
      fullPassDue: this.#fullReason,
      retryAtMs: this.#retryAtMs === 0 ? undefined : this.#retryAtMs,
    };
  }

  /** What came of the syncs so far. */
  get history(): SyncRecord {
    return this.#history.record;
  }

  /** Services with changes that the kernel does not have yet; those of a sync that is running may come twice. */
  *pendingKeys(): Generator<ServiceKey> {
    yield* this.#inFlight.keys();
    yield* this.#pending.keys();
  }

  /** How far the kernel is with a Service that is to be proxied. */
  progressOf(key: ServiceKey): ServiceProgress {
    if (this.history.lastSync === undefined || this.#pending.has(key) || this.#inFlight.has(key))
      return "pending";
    return this.history.refused.has(key) ? "refused" : "programmed";
  }

  #schedule(): void {
    if (!this.#started || this.#stopped || this.#running !== undefined || this.#cancelTimer !== undefined)
      return;
    if (!this.#hasChanges() && !this.#driftDue && !this.#tendDue) return;
    this.#cancelTimer = this.#options.clock.after(this.#waitMs(), () => {
      this.#cancelTimer = undefined;
      this.#running = this.#work().finally(() => {
        this.#running = undefined;
        this.#schedule();
      });
    });
  }

  #waitMs(): number {
    const nowMs = this.#options.clock.now();
    if (this.#retryAtMs !== 0) return Math.max(0, this.#retryAtMs - nowMs);
    const waitMs = this.#budget.waitMs(nowMs);
    return this.#repaired === undefined ? waitMs : Math.min(waitMs, Math.max(0, this.#nextRepairMs - nowMs));
  }

  #hasChanges(): boolean {
    return this.#pending.size > 0 || this.#fullReason !== undefined;
  }

  /** Nothing else uses the backend meanwhile. A full pass that is due anyway makes a look for drift superfluous. */
  async #work(): Promise<void> {
    if (this.#driftDue && this.#fullReason === undefined) await this.#lookForDrift();
    this.#driftDue = false;
    if (this.#hasChanges() && !this.#stopped) await this.#sync();
    if (this.#tendDue && !this.#stopped) await this.#tend();
  }

  /** What the backend has to do later is asked for anew each time; a failure leaves it to a full pass. */
  async #tend(): Promise<void> {
    const { backend, clock, logger } = this.#options;
    this.#tendDue = false;
    this.#cancelTendTimer?.();
    this.#cancelTendTimer = undefined;
    try {
      const waitMs = await backend.tend?.();
      if (waitMs === undefined || this.#stopped) return;
      this.#cancelTendTimer = clock.after(waitMs, () => {
        this.#tendDue = true;
        this.#schedule();
      });
    } catch (error) {
      logger.warn({ err: error, family: backend.family }, "work between syncs failed; a full pass follows");
      this.#fullReason ??= "work between syncs failed";
      this.#reportQueued();
    }
  }

  async #sync(): Promise<void> {
    const { backend, observer, clock, logger } = this.#options;
    const fullReason = this.#fullReason;
    const repaired = this.#repaired;
    const taken = this.#pending.take();
    this.#inFlight = taken;
    this.#fullReason = undefined;
    this.#repaired = undefined;
    const startedMs = clock.now();
    const seconds = (): number => (clock.now() - startedMs) / 1000;
    let result: SyncResult;
    try {
      result = await (fullReason === undefined ? this.#applyChanges(taken.keys()) : this.#applyEverything());
    } catch (error) {
      this.#inFlight = new Map();
      this.#pending.putBack(taken);
      this.#ledger.discard();
      this.#fullReason = fullReason ?? "a sync failed";
      this.#repaired = repaired ?? this.#repaired;
      this.#retryAtMs = clock.now() + this.#retryDelayMs(fullReason !== undefined);
      const failure = { family: backend.family, full: fullReason !== undefined, error, atMs: clock.now() };
      this.#history.failed(failure);
      observer.failed({ ...failure, durationSeconds: seconds() });
      this.#reportQueued();
      return;
    }
    this.#inFlight = new Map();
    const udp = this.#ledger.commit();
    this.#tendDue = backend.tend !== undefined;
    this.#failures = 0;
    this.#retryAtMs = 0;
    if (repaired !== undefined) this.#nextRepairMs = clock.now() + REPAIR_REST_MS;
    if (result.full) this.#planNextFull(result.refused.length > 0);
    logger[result.full ? "info" : "debug"](
      {
        family: backend.family,
        services: taken.size,
        full: fullReason,
        seconds: seconds(),
        phasesMs: inMilliseconds(result.phases),
      },
      "synced",
    );
    const success = {
      family: backend.family,
      result,
      atMs: clock.now(),
      durationSeconds: seconds(),
      repaired,
    };
    this.#history.succeeded(success);
    await observer.succeeded({
      ...success,
      applied: taken.values(),
      ledger: this.#ledger,
      udp,
      pendingSinceMs: this.#pending.oldestMs,
    });
    this.#reportPending();
    this.#budget.spend(startedMs, clock.now());
  }

  #applyChanges(keys: Iterable<ServiceKey>): Promise<SyncResult> {
    return this.#options.backend.sync(this.#resolved(keys));
  }

  async #applyEverything(): Promise<SyncResult> {
    const { backend, keys, resolve } = this.#options;
    const ledger = this.#ledger;
    let resolveMs = 0;
    // Resolved anew whenever the backend walks the Services: holding all of a big cluster at once would cost more. What
    // the last walk saw is what the kernel gets, so that is what the ledger keeps.
    const all: Iterable<ServiceChange> = {
      *[Symbol.iterator]() {
        for (const key of keys()) {
          const started = performance.now();
          const ports = resolve(key);
          ledger.stage(key, ports);
          resolveMs += performance.now() - started;
          yield [key, ports];
        }
      },
    };
    const result = await backend.resync(all);
    ledger.stageRemovalOfOthers();
    return { ...result, phases: { resolve: resolveMs / 1000, ...result.phases } };
  }

  *#resolved(keys: Iterable<ServiceKey>): Generator<ServiceChange> {
    for (const key of keys) {
      const ports = this.#options.resolve(key);
      this.#ledger.stage(key, ports);
      yield [key, ports];
    }
  }

  /** A failed change is retried at once as a full pass; a failed full pass waits longer each time. */
  #retryDelayMs(wasFull: boolean): number {
    if (!wasFull) return 0;
    this.#failures++;
    return Math.min(FIRST_RETRY_MS * 2 ** (this.#failures - 1), this.#options.syncPeriodMs);
  }

  /** Refused Services are tried again soon, as it may not have been their fault, and then less and less often. */
  #planNextFull(refused: boolean): void {
    const { clock, syncPeriodMs, fullPassPeriodMs } = this.#options;
    const delayMs = refused ? Math.min(this.#refusedDelayMs, fullPassPeriodMs) : fullPassPeriodMs;
    const reason = refused ? "to try refused Services again" : "periodic";
    this.#nextFull = { atMs: clock.now() + delayMs, reason };
    this.#refusedDelayMs = refused ? delayMs * 2 : syncPeriodMs;
  }

  /** Also for what no change asks for: a family that cannot be repaired is as unhealthy as one that cannot follow. */
  #reportQueued(): void {
    const { clock, observer, backend } = this.#options;
    observer.queued(backend.family, clock.now());
  }

  #reportPending(): void {
    const { observer, backend } = this.#options;
    observer.pending(backend.family, this.#pending.size, this.#pending.slices);
  }

  #planLookForDrift(): void {
    const { clock, syncPeriodMs } = this.#options;
    this.#cancelDriftTimer = clock.after(syncPeriodMs, () => {
      this.#driftDue = true;
      this.#schedule();
      this.#planLookForDrift();
    });
  }

  /** The backend saw a change that is not its own. During a sync it asks for another one: the sync may have missed it. */
  #toldOfDrift(drift: string): void {
    if (this.#stopped) return;
    this.#noteDrift(drift);
    // What waits for its turn in a burst goes with the repair.
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#schedule();
  }

  /** One warning for each repair, however many changes it is for. */
  #noteDrift(drift: string): void {
    const { backend, logger } = this.#options;
    const level = this.#repaired === undefined ? "warn" : "debug";
    logger[level]({ family: backend.family, drift }, "somebody else changed our rules; repairing them");
    this.#repaired ??= drift;
    this.#fullReason ??= `drift: ${drift}`;
    this.#reportQueued();
  }

  async #lookForDrift(): Promise<void> {
    const { backend, logger, clock } = this.#options;
    try {
      const drift = await backend.checkDrift();
      if (drift !== undefined) this.#noteDrift(drift);
    } catch (error) {
      logger.warn({ err: error, family: backend.family }, "could not look for drift; will look again");
    }
    if (clock.now() >= this.#nextFull.atMs) this.#fullReason ??= this.#nextFull.reason;
  }
}

function oldest(entries: readonly PendingService[], pendingMs: number | undefined): number | undefined {
  return entries.reduce<number | undefined>(
    (found, { sinceMs }) => Math.min(found ?? sinceMs, sinceMs),
    pendingMs,
  );
}

function inMilliseconds(seconds: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(seconds).map(([phase, value]) => [phase, Math.round(value * 1000)]),
  );
}
