/** Everything the proxy tells Prometheus. The sync loop and the servers call it; nothing else knows of prom-client. */
import type { Registry } from "prom-client";
import type { ProxyMode } from "../config/proxy-config.ts";
import type { IpFamily } from "../model/types.ts";
import { EventAges } from "./event-ages.ts";
import { HealthSlis } from "./health-slis.ts";
import { type KernelCounterReader, KernelCounters } from "./kernel-counters.ts";
import { type KubeproxyMetrics, registerKubeproxyMetrics, type TrafficPolicy } from "./kubeproxy-metrics.ts";
import {
  type ApiClientMetrics,
  type ApiRequestInfo,
  type ApiTurnInfo,
  registerApiClientMetrics,
  registerBuildMetrics,
} from "./kubernetes-metrics.ts";
import { type OwnMetrics, registerOwnMetrics } from "./own-metrics.ts";
import { createRegistry } from "./registry.ts";
import { type RelayMetrics, registerRelayMetrics } from "./relay-metrics.ts";
import {
  registerServiceConnections,
  type ServiceConnectionMetrics,
  type ServiceConnectionOptions,
} from "./service-connection-metrics.ts";

export interface ProxyMetricsOptions {
  readonly mode: ProxyMode;
  /** The active families; each has its series from the start. */
  readonly families: readonly IpFamily[];
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** Reads the nfacct counters of the iptables mode; without it they are not registered. */
  readonly readKernelCounters?: KernelCounterReader;
  /** Counts connections per service port, and traffic, where a backend does; without it these metrics are not registered. */
  readonly serviceConnections?: ServiceConnectionOptions;
  /** What has to be there before anything is programmed, and whether it is missing. */
  readonly startConditions?: () => readonly (readonly [condition: string, missing: boolean])[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** One sync round of one family. */
export interface SyncOutcome {
  readonly ok: boolean;
  /** The round was to rewrite everything. */
  readonly full: boolean;
  readonly durationSeconds: number;
  /** When it ended, milliseconds since the epoch. */
  readonly atMs: number;
  /** Rules or objects owned afterwards and written in the round, by table or kind; not read after a failure. */
  readonly owned: Readonly<Record<string, number>>;
  readonly written: Readonly<Record<string, number>>;
  /** Seconds by phase. */
  readonly phases: Readonly<Record<string, number>>;
  /** Number of Services that the kernel would not take. */
  readonly refused: number;
  /** A whole transaction (iptables-restore, nftables) was refused in this round, even if the round went well after it. */
  readonly restoreFailed?: boolean;
  /** What failed was a partial sync. Default: the round was not full. */
  readonly partial?: boolean;
}

interface Pending {
  readonly services: number;
  readonly endpoints: number;
}

export class ProxyMetrics {
  readonly registry: Registry;
  readonly slis = new HealthSlis();
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #mode: ProxyMode;
  readonly #startConditions: ProxyMetricsOptions["startConditions"];
  readonly #upstream: KubeproxyMetrics;
  readonly #own: OwnMetrics;
  readonly #api: ApiClientMetrics;
  readonly #kernel: KernelCounters | undefined;
  readonly #connections: ServiceConnectionMetrics | undefined;
  readonly #relay: RelayMetrics | undefined;
  readonly #pending = new Map<IpFamily, Pending>();
  readonly #ages = new Map<IpFamily, EventAges>();

  constructor(options: ProxyMetricsOptions) {
    const { mode, families, readKernelCounters, serviceConnections } = options;
    this.#startConditions = options.startConditions;
    this.#mode = mode;
    this.#now = options.now ?? Date.now;
    this.#startedMs = this.#now();
    this.registry = createRegistry();
    this.#upstream = registerKubeproxyMetrics(this.registry, mode, families);
    this.#own = registerOwnMetrics(this.registry, families);
    this.#api = registerApiClientMetrics(this.registry);
    registerBuildMetrics(this.registry, options.featureGates ?? {});
    if (mode === "iptables" && readKernelCounters !== undefined) {
      this.#kernel = new KernelCounters(this.registry, readKernelCounters);
    }
    if (serviceConnections !== undefined) {
      this.#connections = registerServiceConnections(this.registry, serviceConnections);
      this.#relay = registerRelayMetrics(this.registry, serviceConnections);
    }
    for (const family of families) this.#ages.set(family, new EventAges());
  }

  /** All metrics as text, format 0.0.4. */
  async render(): Promise<string> {
    for (const [condition, missing] of this.#startConditions?.() ?? [])
      this.#own.startMissing.set({ condition }, Number(missing));
    await Promise.all([this.#kernel?.refresh(), this.#connections?.refresh(), this.#relay?.refresh()]);
    return this.registry.metrics();
  }

  /** A sync was asked for: by an event, a retry, or the loop's start. */
  syncQueued(family: IpFamily, atMs: number): void {
    this.#upstream.lastQueued.set({ ip_family: family }, atMs / 1000);
    this.#ages.get(family)?.queued(atMs);
  }

  /** A sync round ended, well or not. */
  syncFinished(family: IpFamily, outcome: SyncOutcome): void {
    const labels = { ip_family: family };
    const { ok, full, durationSeconds, atMs } = outcome;
    this.#upstream.syncDuration.observe(labels, durationSeconds);
    (full ? this.#upstream.full : this.#upstream.partial)?.observe(labels, durationSeconds);
    for (const [phase, seconds] of Object.entries(outcome.phases))
      this.#own.phase.observe({ ...labels, phase }, seconds);
    this.#countFailures(family, outcome);
    const waitedSeconds = this.#ages.get(family)?.finished(ok, atMs - durationSeconds * 1000, atMs);
    if (waitedSeconds !== undefined) this.#own.eventToKernel.observe(labels, waitedSeconds);
    if (ok) this.#noteSuccess(family, outcome);
  }

  /**
   * An endpoint change is in the kernel, this long after its cause. Changes older than this process say nothing about
   * it and are not counted; a cause in the future (clocks differ) counts as zero.
   */
  networkProgramming(family: IpFamily, seconds: number): void {
    if (seconds * 1000 > this.#now() - this.#startedMs) return;
    this.#upstream.networkProgramming.observe({ ip_family: family }, Math.max(0, seconds));
  }

  /** A Service event reached a family. */
  serviceChange(_family: IpFamily): void {
    this.#upstream.serviceChanges.inc();
  }

  /** A slice event reached its family. */
  endpointChange(_family: IpFamily): void {
    this.#upstream.endpointChanges.inc();
  }

  /** Numbers of changes of a family not yet in the kernel; the sum of the families is shown. */
  pending(family: IpFamily, services: number, endpoints: number): void {
    this.#pending.set(family, { services, endpoints });
    const all = [...this.#pending.values()];
    this.#upstream.serviceChangesPending.set(all.reduce((sum, each) => sum + each.services, 0));
    this.#upstream.endpointChangesPending.set(all.reduce((sum, each) => sum + each.endpoints, 0));
  }

  /** Service ports with policy Local and no usable endpoint here; set after a successful sync. */
  noLocalEndpoints(family: IpFamily, policy: TrafficPolicy, count: number): void {
    this.#upstream.noLocalEndpoints?.set({ ip_family: family, traffic_policy: policy }, count);
  }

  /** Stale UDP flows were looked for, and this many deleted. */
  conntrackReconciled(family: IpFamily, seconds: number, deleted: number): void {
    this.#upstream.conntrackDuration?.observe({ ip_family: family }, seconds);
    this.#upstream.conntrackDeleted?.inc({ ip_family: family }, deleted);
  }

  /** The health server answered. */
  healthzAnswered(path: "/healthz" | "/livez", code: number): void {
    const type = path === "/healthz" ? "healthz" : "livez";
    this.#upstream[type].inc({ code: String(code) });
    this.slis.observe("proxy", type, code === 200);
  }

  /** Rules that somebody else removed were put back. */
  driftRepaired(family: IpFamily): void {
    this.#own.driftRepairs.inc({ ip_family: family });
  }

  /** The API client finished a request. */
  apiRequest({ code, method, host, durationSeconds }: ApiRequestInfo): void {
    this.#api.requests.inc({ code, method, host });
    this.#api.duration.observe({ verb: method, host }, durationSeconds);
  }

  /** The API client let a request go. */
  apiTurn({ verb, host, waitedSeconds }: ApiTurnInfo): void {
    this.#api.rateLimiter.observe({ verb, host }, waitedSeconds);
  }

  #countFailures(family: IpFamily, { ok, full, restoreFailed, partial = !full }: SyncOutcome): void {
    const labels = { ip_family: family };
    // In ipvs mode a Service is refused as a virtual server or an entry of a set, which no iptables-restore has to do with.
    const byIptables = this.#mode !== "ipvs" || !ok;
    if (restoreFailed && byIptables) this.#upstream.restoreFailures?.inc(labels);
    if (restoreFailed) this.#upstream.nftablesSyncFailures?.inc(labels);
    if (partial && (restoreFailed || !ok)) this.#upstream.partialRestoreFailures?.inc(labels);
  }

  #noteSuccess(family: IpFamily, { atMs, owned, written, refused, restoreFailed }: SyncOutcome): void {
    const labels = { ip_family: family };
    this.#upstream.lastSynced.set(labels, atMs / 1000);
    this.#own.refusedServices.set(labels, refused);
    if (restoreFailed) this.#own.isolatingSyncs.inc(labels);
    for (const [kind, objects] of Object.entries(owned)) {
      this.#own.objects.set({ ...labels, kind }, objects);
      this.#upstream.iptablesOwned?.set({ ...labels, table: kind }, objects);
    }
    for (const [kind, objects] of Object.entries(written)) {
      this.#own.objectsWritten.inc({ ...labels, kind }, objects);
      this.#upstream.iptablesWritten?.set({ ...labels, table: kind }, objects);
    }
  }
}
