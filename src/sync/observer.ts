/** Who wants to know what the sync loop does: metrics, health, events. The loop calls; nobody calls the loop. */
import type { SyncResult } from "../backends/backend.ts";
import type { IpFamily } from "../model/types.ts";
import type { PendingService } from "./pending-changes.ts";
import type { ServiceLedger, UdpChange } from "./service-ledger.ts";

/** A sync that reached the kernel. */
export interface SyncSuccess {
  readonly family: IpFamily;
  readonly result: SyncResult;
  /** Milliseconds since the epoch, after the kernel had everything. */
  readonly atMs: number;
  readonly durationSeconds: number;
  /** The changes that this sync applied. */
  readonly applied: Iterable<PendingService>;
  readonly ledger: ServiceLedger;
  readonly udp: UdpChange;
  /** When the oldest change arrived that came in during the sync; undefined if none did. */
  readonly pendingSinceMs: number | undefined;
  /** Set when the sync repaired what somebody else had changed. */
  readonly repaired: string | undefined;
}

/** A sync that changed nothing, or not everything. */
export interface SyncFailure {
  readonly family: IpFamily;
  readonly full: boolean;
  readonly error: unknown;
  readonly atMs: number;
  readonly durationSeconds: number;
}

export interface SyncObserver {
  /** A change arrived, or a full pass was asked for. */
  queued(family: IpFamily, atMs: number): void;
  /** How much is waiting. */
  pending(family: IpFamily, services: number, slices: number): void;
  /** May take its time (conntrack): the next sync waits for it. Must not reject. */
  succeeded(success: SyncSuccess): Promise<void>;
  failed(failure: SyncFailure): void;
}
