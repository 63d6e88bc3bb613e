/** The contract every proxy mode fulfils, once per IP family. */
import type { IpFamily, Protocol, ServiceKey, ServicePort } from "../model/types.ts";

/** The resolved ports of one Service in one family; an empty list means the Service is gone (or has none of the family). */
export type ServiceChange = readonly [key: ServiceKey, ports: readonly ServicePort[]];

/** One Service that the kernel would not take. Everything else in the same sync was programmed. */
export interface RefusedService {
  readonly key: ServiceKey;
  readonly reason: string;
}

/** What one sync did. */
export interface SyncResult {
  /** Every managed object was compared or rewritten, not only the changed Services. */
  readonly full: boolean;
  readonly refused: readonly RefusedService[];
  /** Seconds by phase, e.g. `{ compile, diff, apply }`; the phases' names are the mode's own. */
  readonly phases: Readonly<Record<string, number>>;
  /** Rules or objects owned after this sync, and written by it, by table or kind. */
  readonly owned: Readonly<Record<string, number>>;
  readonly written: Readonly<Record<string, number>>;
}

/** A failure that concerns the whole family: nothing pending may be forgotten. */
export class BackendError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "BackendError";
    this.code = code;
  }
}

/** New connections that the kernel sent through one service port since its counter was made. */
export interface PortConnections {
  readonly namespace: string;
  readonly name: string;
  /** Empty for the single unnamed port of a Service. */
  readonly portName: string;
  readonly protocol: Protocol;
  /** Starts anew from 0 when the kernel's counter had to be made again. */
  readonly connections: number;
}

/**
 * A proxy mode for one family. Calls never overlap; the sync loop serialises them.
 * A rejected `sync` or `resync` leaves the backend able to take the same changes again.
 */
export interface Backend {
  readonly mode: string;
  readonly family: IpFamily;
  /** Throws a BackendError that names what is missing when the mode cannot run in this family on this host. */
  probe(): Promise<void>;
  /** Applies the new state of the changed Services only. */
  sync(changes: Iterable<ServiceChange>): Promise<SyncResult>;
  /** Makes the kernel match exactly the given Services, which it may walk more than once: reads what is there, keeps what is right, removes the rest. */
  resync(all: Iterable<ServiceChange>): Promise<SyncResult>;
  /** Cheap look at whether our objects are still in the kernel; a text says what is missing. */
  checkDrift(): Promise<string | undefined>;
  /**
   * Calls back soon after somebody else changed our objects, with what is known of the change and its author, until the
   * returned function is called. Modes that can only be asked (`checkDrift`) leave it out.
   */
  watchDrift?(onDrift: (what: string) => void): () => void;
  /**
   * Work that becomes due by itself, such as taking away an endpoint whose last connection has ended. Called after every
   * sync; returns in how many milliseconds to be called again, undefined = not before the next sync. Modes in which
   * nothing comes due leave it out.
   */
  tend?(): Promise<number | undefined>;
  /** Reads the counters of all service ports; absent in modes, or with settings, that do not count. */
  readConnections?(): Promise<readonly PortConnections[]>;
  /** Removes every object this mode ever makes, and nothing else. Missing objects are no error. */
  cleanup(): Promise<void>;
  /** Plain facts for people: what the mode runs on here. */
  describe(): Promise<Readonly<Record<string, string | number>>>;
}
