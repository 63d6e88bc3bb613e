/** What has changed since the kernel last had everything: kept until a sync succeeds, however often one fails. */
import type { ServiceKey } from "../model/types.ts";

/** One Service waiting to be applied. */
export interface PendingService {
  /** When its first unapplied change arrived, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** When the changes of its slices were triggered, as the slices' annotation tells. */
  readonly triggerTimesMs: readonly number[];
  /** Times noted before this entry began are to be forgotten, should they come back. */
  readonly forgetsEarlier: boolean;
  readonly slices: number;
}

/** What came with one change. */
export interface ChangeInfo {
  readonly what: "service" | "endpoints";
  readonly triggerTimeMs?: number;
  /** Endpoints were removed: times noted so far no longer tell how long anything took. */
  readonly forgetTriggerTimes?: true;
}

export class PendingChanges {
  #services = new Map<ServiceKey, PendingService>();
  /** Kept beside the entries: it is asked for at every change, and there may be a hundred thousand entries. */
  #slices = 0;

  get size(): number {
    return this.#services.size;
  }

  has(key: ServiceKey): boolean {
    return this.#services.has(key);
  }

  keys(): Iterable<ServiceKey> {
    return this.#services.keys();
  }

  /** Adds a change; repeated changes of one Service are one entry. */
  add(key: ServiceKey, nowMs: number, change: ChangeInfo): void {
    const entry = this.#services.get(key) ?? {
      sinceMs: nowMs,
      triggerTimesMs: [],
      forgetsEarlier: false,
      slices: 0,
    };
    const slices = change.what === "endpoints" ? 1 : 0;
    this.#slices += slices;
    const noted = change.forgetTriggerTimes ? [] : entry.triggerTimesMs;
    const times = change.triggerTimeMs === undefined ? [] : [change.triggerTimeMs];
    this.#services.set(key, {
      sinceMs: entry.sinceMs,
      triggerTimesMs: [...noted, ...times],
      forgetsEarlier: entry.forgetsEarlier || change.forgetTriggerTimes === true,
      slices: entry.slices + slices,
    });
  }

  /** Hands everything over; what arrives from now on is a new set. */
  take(): ReadonlyMap<ServiceKey, PendingService> {
    const taken = this.#services;
    this.#services = new Map();
    this.#slices = 0;
    return taken;
  }

  /** Takes back what could not be applied, keeping the older times. */
  putBack(taken: ReadonlyMap<ServiceKey, PendingService>): void {
    const newer = this.#services;
    this.#services = new Map(taken);
    for (const { slices } of taken.values()) this.#slices += slices;
    for (const [key, entry] of newer) {
      const older = taken.get(key);
      this.#services.set(key, older === undefined ? entry : merged(older, entry));
    }
  }

  /** When the oldest waiting change arrived; undefined when nothing waits. */
  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const { sinceMs } of this.#services.values()) oldest = Math.min(oldest ?? sinceMs, sinceMs);
    return oldest;
  }

  /** Slices with unapplied changes, over all Services. */
  get slices(): number {
    return this.#slices;
  }
}

function merged(older: PendingService, newer: PendingService): PendingService {
  return {
    sinceMs: older.sinceMs,
    triggerTimesMs: [...(newer.forgetsEarlier ? [] : older.triggerTimesMs), ...newer.triggerTimesMs],
    forgetsEarlier: older.forgetsEarlier || newer.forgetsEarlier,
    slices: older.slices + newer.slices,
  };
}
