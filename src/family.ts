/** One IP family of the running proxy: its backend, its loop, and the health-check servers of its Services. */
import type { Backend } from "./backends/backend.ts";
import type { ProxyConfig } from "./config/proxy-config.ts";
import type { EventRecorder } from "./events/recorder.ts";
import type { ProxyHealth } from "./health/proxy-health.ts";
import { ServiceHealthServers } from "./health/service-health.ts";
import { deleteUdpFlows, listUdpFlows } from "./kernel/conntrack.ts";
import { listNodeAddresses } from "./kernel/virtual-device.ts";
import type { Logger } from "./logging/logger.ts";
import type { ProxyMetrics } from "./metrics/proxy-metrics.ts";
import type { IpFamily, ServiceKey, ServicePort } from "./model/types.ts";
import type { FamilyView } from "./status/proxy-view.ts";
import type { Store } from "./store/store.ts";
import { systemClock } from "./sync/clock.ts";
import { FamilyLoop } from "./sync/family-loop.ts";
import { FlowCleaner } from "./sync/flow-cleaner.ts";
import type { NodeFacts } from "./sync/node-facts.ts";
import { createResolver } from "./sync/resolver.ts";
import { SyncReporter } from "./sync/sync-reporter.ts";

/**
 * Syncs that may follow each other at once. A new Service is two events, its first ready endpoint often a third; they
 * should not wait for each other. In other modes than iptables a sync costs so little that only a flood has to be spaced.
 */
const SYNC_BURST = { iptables: 3, nftables: 10, ipvs: 10, userspace: 10 } as const;

export interface FamilyOptions {
  readonly config: ProxyConfig;
  readonly nodeName: string;
  readonly facts: NodeFacts;
  readonly logger: Logger;
  readonly backend: Backend;
  readonly store: Store;
  readonly health: ProxyHealth;
  readonly metrics: ProxyMetrics;
  readonly events: EventRecorder;
}

export class Family implements FamilyView {
  readonly loop: FamilyLoop;
  /** The ports of a Service as they should be in the kernel. */
  readonly resolve: (key: ServiceKey) => readonly ServicePort[];
  readonly #serviceHealth: ServiceHealthServers;
  readonly #flowCleaner: FlowCleaner;
  readonly #backend: Backend;

  /** Nothing runs before `loop.start()`. */
  constructor(options: FamilyOptions) {
    this.#serviceHealth = serviceHealthOf(options);
    this.#flowCleaner = flowCleanerOf(options);
    this.resolve = resolverOf(options);
    this.loop = loopOf(options, this.resolve, this.#serviceHealth, this.#flowCleaner);
    this.#backend = options.backend;
  }

  get family(): IpFamily {
    return this.#backend.family;
  }

  /** What the mode runs on. */
  describe(): Promise<Readonly<Record<string, string | number>>> {
    return this.#backend.describe();
  }

  /** Ends the loop and closes the servers; the rules stay in the kernel. */
  async stop(): Promise<void> {
    await this.loop.stop();
    this.#flowCleaner.stop();
    await this.#serviceHealth.close();
    await this.#backend.close?.();
  }
}

function serviceHealthOf({ backend, facts, health, events, logger }: FamilyOptions): ServiceHealthServers {
  const { family } = backend;
  const onListenFailure = (key: ServiceKey, port: number, error: Error): void => {
    const [namespace = "", name = ""] = key.split("/");
    events.record({
      regarding: { kind: "Service", namespace, name },
      type: "Warning",
      reason: "FailedToStartServiceHealthcheck",
      action: "Listen",
      note: `health check port ${port} (${family}): ${error.message}`,
    });
  };
  return new ServiceHealthServers({
    family,
    addresses: () => facts.nodePortAddresses(family),
    isHealthy: () => health.report().healthy,
    onListenFailure,
    logger,
  });
}

function flowCleanerOf({ backend, metrics, logger }: FamilyOptions): FlowCleaner {
  return new FlowCleaner({
    flows: { list: listUdpFlows, delete: deleteUdpFlows },
    localAddresses: async (family) => (await listNodeAddresses()).local[family],
    ownUdpPorts: () => backend.ownUdpPorts?.() ?? new Set(),
    metrics,
    clock: systemClock,
    logger,
  });
}

function resolverOf({ store, backend, nodeName, config }: FamilyOptions): Family["resolve"] {
  return createResolver(store, backend.family, nodeName, {
    preferSameNode: config.featureGates.PreferSameTrafficDistribution !== false,
  });
}

function loopOf(
  options: FamilyOptions,
  resolve: Family["resolve"],
  serviceHealth: ServiceHealthServers,
  flows: FlowCleaner,
): FamilyLoop {
  const { backend, config, store, health, metrics, events, logger } = options;
  const observer = new SyncReporter({
    metrics,
    health,
    serviceHealth,
    events,
    flows,
    logger,
  });
  return new FamilyLoop({
    backend,
    resolve,
    keys: () => store.serviceKeys(),
    minSyncPeriodMs: config.minSyncPeriodMs,
    burst: SYNC_BURST[config.mode],
    syncPeriodMs: config.syncPeriodMs,
    fullPassPeriodMs: config.fullPassPeriodMs,
    observer,
    logger,
    clock: systemClock,
  });
}
