/** What the main thread and the worker say to each other. */
import type { FailureBatch, ListenerOptions, RelayChanges, RelaySettings, RelayStats } from "./types.ts";

/** What the worker is started with. */
export interface WorkerStart {
  readonly listeners: readonly ListenerOptions[];
  readonly settings: RelaySettings;
  /** An eventfd with EFD_SEMAPHORE, which counts the messages that wait. */
  readonly wakeUp: number;
  /** An int32, not 0 once the process ends. */
  readonly exiting: Int32Array;
}

export type Request =
  | { readonly type: "update"; readonly id: number; readonly changes: RelayChanges }
  | { readonly type: "accept" }
  | { readonly type: "stats"; readonly id: number }
  | { readonly type: "stop"; readonly graceMs: number };

/** A virtual port that could not be read, and was left as it was. */
export interface RejectedPort {
  readonly id: string;
  readonly message: string;
}

export type Answer =
  | { readonly type: "started"; readonly ports: readonly number[]; readonly descriptors: number }
  | { readonly type: "updated"; readonly id: number; readonly rejected: readonly RejectedPort[] }
  | { readonly type: "stats"; readonly id: number; readonly stats: RelayStats }
  | { readonly type: "failures"; readonly batch: FailureBatch }
  | { readonly type: "internalError"; readonly message: string };
