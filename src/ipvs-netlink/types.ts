/** The vocabulary of the library: virtual servers, the real servers behind them, what the kernel tells. Types only. */

export type Family = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP" | "SCTP";

/**
 * How packets get to a real server: rewritten there and back (`masquerade`, ipvsadm's `-m`), to this machine itself
 * (`local`), inside IP packets (`tunnel`, `-i`), with only the link-layer address changed (`directRoute`, `-g`), or to
 * where they were going anyway (`bypass`).
 */
export type ForwardingMethod = "masquerade" | "local" | "tunnel" | "directRoute" | "bypass";

/**
 * Bits whose meaning depends on the scheduler. `sh` and `mh`: with `fallback` the next server is taken when the hashed
 * one is unavailable, with `port` the client's port is hashed too. No scheduler of Linux uses `flag3`.
 */
export type SchedulerFlag = "fallback" | "port" | "flag3";

/** A virtual server known by where clients connect to. */
export interface AddressId {
  readonly address: string;
  /** 0 = every port without a virtual server of its own; the kernel then schedules only with persistence. */
  readonly port: number;
  /** A number only for what another program wrote: IPVS balances no other protocols. */
  readonly protocol: Protocol | number;
}

/** A virtual server known by the mark that the firewall gave to its packets. */
export interface FirewallMarkId {
  /** 1 to 0xffffffff. */
  readonly fwmark: number;
  readonly family: Family;
}

/** What a virtual server is known by; it cannot change. */
export type VirtualServerId = AddressId | FirewallMarkId;

/** Sends a client that was here before to the real server that it had. */
export interface Persistence {
  /** For how long after its last connection, in seconds: 1 to 2,147,483. */
  readonly timeoutSeconds: number;
  /** Clients in one network of this size count as one. IPv4: 0 to 32, 32 when not set; IPv6: 1 to 128, 128 when not set. */
  readonly prefixLength?: number | undefined;
  /** What else tells clients apart, such as `sip`; the kernel loads the module `ip_vs_pe_<name>`. */
  readonly engine?: string | undefined;
}

/** What can be set of a virtual server. */
export interface VirtualServerSettings {
  /** One of `SCHEDULERS`, or any other that the kernel has: it loads the module `ip_vs_<name>`. */
  readonly scheduler: string;
  readonly schedulerFlags?: readonly SchedulerFlag[] | undefined;
  readonly persistence?: Persistence | undefined;
  /** Every datagram is scheduled by itself; UDP only. */
  readonly onePacket?: boolean | undefined;
}

export type VirtualServer = VirtualServerId & VirtualServerSettings;

/** What a real server is known by, within its virtual server. */
export interface RealServerId {
  /** Of the virtual server's family, unless the forwarding method is `tunnel`. */
  readonly address: string;
  /** 0 = the port the client asked for. */
  readonly port: number;
}

/** What can be set of a real server. Settings that are left out get their default, also when it exists already. */
export interface RealServerSettings {
  /** `masquerade` when not set. */
  readonly forwarding?: ForwardingMethod | undefined;
  /** Its share of new connections, 0 to 65535; 1 when not set. 0 = no new ones, while those that it has go on. */
  readonly weight?: number | undefined;
  /** With this many connections it gets no more; 0, the default, is no limit. */
  readonly upperThreshold?: number | undefined;
  /** Below this many it gets some again; at most `upperThreshold`. 0, the default: three quarters of that. */
  readonly lowerThreshold?: number | undefined;
}

export type RealServer = RealServerId & RealServerSettings;

/** What the kernel counted since the start, or since `zero`, and its estimate of current rates per second. */
export interface Stats {
  readonly connections: bigint;
  readonly packetsIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
  readonly connectionRate: bigint;
  readonly packetRateIn: bigint;
  readonly packetRateOut: bigint;
  readonly byteRateIn: bigint;
  readonly byteRateOut: bigint;
}

/** An IPv4 mask with holes, which other programs can write, has the length of its leading ones. */
export type ListedPersistence = Persistence & { readonly prefixLength: number };

/** A virtual server as the kernel has it. */
export type ListedVirtualServer = VirtualServerId & {
  /** `none` when it has none. */
  readonly scheduler: string;
  /** In the order in which the type names them. */
  readonly schedulerFlags: readonly SchedulerFlag[];
  /** Undefined unless the server is persistent: the kernel may have values for it, but they are without effect. */
  readonly persistence: ListedPersistence | undefined;
  readonly onePacket: boolean;
  readonly stats: Stats;
};

/** A real server as the kernel has it. */
export interface ListedRealServer extends RealServerId {
  /** A number for one that this library does not know. */
  readonly forwarding: ForwardingMethod | number;
  /** May be above 65535 if another program wrote it. */
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  /** Established ones; those of UDP all count as inactive. */
  readonly activeConnections: number;
  /** Those not yet, or no longer, established: TIME_WAIT lasts two minutes. */
  readonly inactiveConnections: number;
  readonly persistentConnections: number;
  readonly stats: Stats;
}

/** How long the kernel remembers idle connections, in seconds, for the whole network namespace. */
export interface Timeouts {
  readonly tcp: number;
  /** After a FIN; TIME_WAIT has its own two minutes. */
  readonly tcpFin: number;
  readonly udp: number;
}

export interface Info {
  /** Of IPVS itself, such as `1.2.1`. */
  readonly version: string;
  /** Buckets of the connection table. */
  readonly connectionTableSize: number;
}
