/** The vocabulary of the relay: what it is told and what it tells. Types only; nothing here knows of Kubernetes. */

export type Family = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP";

/** Where a client is, as far as choosing endpoints goes. The kernel's rules send each class to a listener of its own. */
export type SourceClass = "pod" | "outside" | "node";

export const SOURCE_CLASSES: readonly SourceClass[] = ["pod", "outside", "node"];

/** Both ends included; the first free port is taken. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** A socket that the kernel redirects clients to. */
export interface ListenerOptions {
  readonly source: SourceClass;
  readonly family: Family;
  readonly protocol: Protocol;
  /** Local address, such as `0.0.0.0` or `::`. */
  readonly host: string;
  /** 0 = the kernel picks. */
  readonly port: number | PortRange;
  /** TCP only: sets IP_TRANSPARENT, for rules with TPROXY. Takes CAP_NET_ADMIN. */
  readonly transparent?: boolean;
}

/** What bounds memory and descriptors. A client is an address. */
export interface RelayLimits {
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** UDP clients with a socket of their own; the one unused for longest has to give way. */
  readonly associations: number;
  readonly associationsPerClient: number;
  /** Clients remembered for affinity, for each virtual port; the one unused for longest is forgotten. */
  readonly affinityEntries: number;
}

/** How the relay behaves; times in milliseconds. */
export interface RelaySettings {
  readonly limits: RelayLimits;
  /**
   * How long the first, second, … endpoint has before the next one is tried beside it; the last value holds for all
   * further ones. Whichever answers first gets the client. One that fails is followed by the next at once.
   */
  readonly raceAfterMs: readonly number[];
  /** After that a client is reset, if no endpoint has answered. */
  readonly connectTimeoutMs: number;
  /** Endpoints tried for one client. */
  readonly connectAttempts: number;
  /** How long an endpoint that failed is only the last resort. */
  readonly penaltyMs: number;
  /** How long connections to an endpoint that was taken away may live on; Infinity = until they end. */
  readonly drainMs: number;
  /** A UDP client is forgotten when nothing went either way for so long. Keep it below the time-outs of conntrack. */
  readonly udpIdleMs: number;
  /** The same for clients that got more than one reply. */
  readonly udpStreamIdleMs: number;
  /** TCP keepalive: idle time and, for probes, interval; whole seconds. Four lost probes end a connection. */
  readonly keepaliveMs: number;
  /**
   * TCP_USER_TIMEOUT towards endpoints: how long data may stay unacknowledged or, as the endpoint does not read, unsent.
   * A vanished endpoint is noticed after that also where the connection is idle.
   */
  readonly endpointTimeoutMs: number;
}

/** Endpoints of a virtual port as `ip:port` or `[ip]:port`, for each class of clients. */
export type EndpointLists = Readonly<Record<SourceClass, readonly string[]>>;

/** What clients connect to, and the endpoints behind. */
export interface VirtualPortSpec {
  /** For counters and failures. */
  readonly id: string;
  readonly protocol: Protocol;
  /** What clients connect to, as `ip:port` or `[ip]:port`: all that lead here. The last to claim one has it. */
  readonly destinations: readonly string[];
  readonly endpoints: EndpointLists;
  /** A client keeps its endpoint until it stayed away for so long; 0 = no affinity. */
  readonly affinitySeconds: number;
  /** Version of the PROXY protocol spoken to endpoints (TCP only); 0 = none. */
  readonly proxyProtocol: 0 | 1 | 2;
  /**
   * TCP only: connect from the client's address, for which the kernel's rules must bring the answers back; of clients of
   * one class, or of all. Where endpoints do not answer, it is tried from this machine's address as well.
   */
  readonly keepSource: boolean | SourceClass;
}

/** A change of virtual ports. Each takes effect as a whole, one after the other; new connections notice at once. */
export interface RelayChanges {
  /** New ones, and ones that replace those with the same id. */
  readonly upsert?: readonly VirtualPortSpec[];
  readonly remove?: readonly string[];
  /** In place of `drainMs` of the settings, for what this change takes away. */
  readonly drainMs?: number;
}

/**
 * Why a client was not served, or an endpoint not reached: the endpoint refused, did not answer, could not be reached, or
 * reset the connection; there was no endpoint; a limit was reached; or this machine lacked something (descriptors,
 * ports, memory).
 */
export type FailureReason =
  | "refused"
  | "timeout"
  | "unreachable"
  | "reset"
  | "noEndpoint"
  | "limit"
  | "resources";

/** A client that was not served. */
export interface Failure {
  /** Of the virtual port; empty when the destination belongs to none. */
  readonly id: string;
  /** `ip:port`, `[ip]:port`. */
  readonly client: string;
  readonly destination: string;
  readonly reason: FailureReason;
  readonly tried: readonly TriedEndpoint[];
}

export interface TriedEndpoint {
  readonly endpoint: string;
  readonly reason: FailureReason;
}

/** Failures since the last batch. */
export interface FailureBatch {
  readonly failures: readonly Failure[];
  /** How many more there were: only so many are told in a second. */
  readonly suppressed: number;
}

/** Counts since the start. */
export interface TrafficStats {
  /** Connections or UDP associations, now and ever. */
  readonly active: number;
  readonly total: number;
  readonly failures: Readonly<Record<FailureReason, number>>;
  /** Connections that one side reset after they had been established. */
  readonly resetByClient: number;
  readonly resetByEndpoint: number;
  readonly bytesToEndpoint: number;
  readonly bytesToClient: number;
}

export interface EndpointStats extends TrafficStats {
  readonly endpoint: string;
  /** Taken away, but with connections left. */
  readonly draining: boolean;
  /** Connects that took at most as long as the bound of the same index (`DIAL_BOUNDS_MS`); the last one: longer. */
  readonly dialTimes: readonly number[];
  readonly dialTimeTotalMs: number;
}

/** Failures of a virtual port count clients, those of its endpoints attempts. */
export interface VirtualPortStats extends TrafficStats {
  readonly id: string;
  readonly protocol: Protocol;
  /** Taken away, but with connections left. */
  readonly draining: boolean;
  /** Those that were ever tried. */
  readonly endpoints: readonly EndpointStats[];
}

/** What the relay has done; the caller makes differences. */
export interface RelayStats {
  /** Those that a client ever came to: what is told is copied twice, while traffic waits. */
  readonly ports: readonly VirtualPortStats[];
  /** Clients in all: connections, including those without an endpoint yet, and UDP associations. */
  readonly connections: number;
  readonly associations: number;
  /** Clients turned away: by a limit, for want of descriptors, and because their destination belongs to no port. */
  readonly refusedByLimit: number;
  readonly outOfDescriptors: number;
  readonly unknownDestination: number;
  /** UDP associations that had to make room for others. */
  readonly evicted: number;
  /** Errors inside the relay that cost one connection; there should be none. */
  readonly internalErrors: number;
}
