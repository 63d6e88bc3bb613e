/** What came of a family's syncs so far: kept for people who ask, not for decisions. */
import type { ServiceKey } from "../model/types.ts";
import type { SyncFailure, SyncSuccess } from "./observer.ts";

/** The last sync that reached the kernel. */
export interface LastSync extends Pick<SyncSuccess, "atMs" | "durationSeconds"> {
  readonly full: boolean;
}

/** The last sync that did not. */
export interface LastFailure extends Pick<SyncFailure, "atMs" | "full"> {
  readonly message: string;
}

/** The last time that somebody else's change was undone. */
export interface LastRepair {
  readonly atMs: number;
  readonly drift: string;
}

/** All of it. */
export interface SyncRecord {
  readonly lastSync: LastSync | undefined;
  readonly lastFailure: LastFailure | undefined;
  readonly lastRepair: LastRepair | undefined;
  /** How often somebody else's changes were undone. */
  readonly repairs: number;
  /** No sync has succeeded since the last one that failed. */
  readonly isFailing: boolean;
  /** Services that the kernel would not take, with the reason. */
  readonly refused: ReadonlyMap<ServiceKey, string>;
}

export class SyncHistory {
  #record: SyncRecord = {
    lastSync: undefined,
    lastFailure: undefined,
    lastRepair: undefined,
    repairs: 0,
    isFailing: false,
    refused: new Map(),
  };

  get record(): SyncRecord {
    return this.#record;
  }

  /** A sync reached the kernel. */
  succeeded({
    atMs,
    durationSeconds,
    result,
    repaired,
  }: Pick<SyncSuccess, "atMs" | "durationSeconds" | "result" | "repaired">): void {
    this.#record = {
      ...this.#record,
      isFailing: false,
      lastSync: { atMs, durationSeconds, full: result.full },
      refused: new Map(result.refused.map(({ key, reason }) => [key, reason])),
      ...(repaired !== undefined && {
        repairs: this.#record.repairs + 1,
        lastRepair: { atMs, drift: repaired },
      }),
    };
  }

  /** A sync failed. */
  failed({ atMs, full, error }: Pick<SyncFailure, "atMs" | "full" | "error">): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#record = { ...this.#record, isFailing: true, lastFailure: { atMs, full, message } };
  }
}
