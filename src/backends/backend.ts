/** The contract every proxy mode fulfils, once per IP family. */
import type { IpFamily, Protocol, ServiceKey, ServicePort } from "../model/types.ts";
import type { FailureReason } from "../relay/types.ts";

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

/** A port of a Service, by the names that people know it by. */
export type PortIdentity = Omit<PortConnections, "connections">;

/** How often something failed, by the reason. */
export type FailureCounts = Readonly<Record<FailureReason, number>>;

/** What a mode that carries the traffic itself has carried: all counters are 0 when its relay starts. */
export interface TrafficReport {
  /** How many times the relay was started: it is started anew after it died. */
  readonly starts: number;
  /** Those that are gone, but have connections left, included. */
  readonly ports: readonly PortTraffic[];
  readonly relay: RelayTotals;
}

/** What came through one service port. */
export interface PortTraffic extends PortIdentity {
  /** Clients that no endpoint served. */
  readonly unserved: FailureCounts;
  /** Those that were taken away, but have connections left, included. */
  readonly endpoints: readonly EndpointTraffic[];
}

/** What went to one endpoint of a service port. A UDP client and its endpoint count as a connection. */
export interface EndpointTraffic {
  /** `ip:port`, `[ip]:port`. */
  readonly endpoint: string;
  /** Connections, now and ever. */
  readonly active: number;
  readonly connections: number;
  /** Attempts to reach the endpoint. */
  readonly failures: FailureCounts;
  /** Connections that one side reset. */
  readonly resetByClient: number;
  readonly resetByEndpoint: number;
  readonly bytesToEndpoint: number;
  readonly bytesToClient: number;
  /** Connects by the time they took, in the relay's buckets (`DIAL_BOUNDS_MS`); the last one: longer. */
  readonly dialTimes: readonly number[];
  readonly dialSeconds: number;
}

/** What belongs to no Service. */
export interface RelayTotals {
  /** Clients now, those of TCP that have no endpoint yet included. */
  readonly clients: Readonly<Record<"TCP" | "UDP", number>>;
  /** Clients turned away: by a limit, for want of descriptors, and because they wanted what no Service offers. */
  readonly refusedByLimit: number;
  readonly outOfDescriptors: number;
  readonly unknownDestination: number;
  /** UDP clients that had to make room for others. */
  readonly evicted: number;
  /** Errors of the relay's own that cost one client each. */
  readonly internalErrors: number;
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
  /** Reads what the backend itself has carried, at any time; absent in modes where the kernel forwards. */
  readTraffic?(): Promise<TrafficReport>;
  /** UDP ports of this node behind which the backend itself carries flows; absent in modes where the kernel forwards. */
  ownUdpPorts?(): ReadonlySet<number>;
  /** Ends what the backend itself runs besides the kernel; absent in modes where the kernel does all. Not to be used any more. */
  close?(): Promise<void>;
  /** Removes every object this mode ever makes, and nothing else. Missing objects are no error. */
  cleanup(): Promise<void>;
  /** Plain facts for people: what the mode runs on here. */
  describe(): Promise<Readonly<Record<string, string | number>>>;
}
