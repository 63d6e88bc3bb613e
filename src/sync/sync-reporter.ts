/** Tells the outside what the loops did: metrics, health, events, health-check servers, and forgotten UDP flows. */
import { BackendError, type RefusedService } from "../backends/backend.ts";
import type { EventRecorder } from "../events/recorder.ts";
import type { ProxyHealth } from "../health/proxy-health.ts";
import type { ServiceHealthServers } from "../health/service-health.ts";
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { IpFamily, ServiceKey } from "../model/types.ts";
import type { FlowCleaner } from "./flow-cleaner.ts";
import type { SyncFailure, SyncObserver, SyncSuccess } from "./observer.ts";

export interface SyncReporterOptions {
  readonly metrics: ProxyMetrics;
  readonly health: ProxyHealth;
  readonly serviceHealth: ServiceHealthServers;
  readonly events: EventRecorder;
  readonly flows: Pick<FlowCleaner, "clean">;
  readonly logger: Logger;
}

export class SyncReporter implements SyncObserver {
  readonly #options: SyncReporterOptions;
  readonly #refused = new Map<IpFamily, ReadonlyMap<ServiceKey, string>>();

  constructor(options: SyncReporterOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "sync-reporter") };
  }

  queued(family: IpFamily, atMs: number): void {
    this.#options.metrics.syncQueued(family, atMs);
    this.#options.health.queued(family);
  }

  pending(family: IpFamily, services: number, slices: number): void {
    this.#options.metrics.pending(family, services, slices);
  }

  failed({ family, full, error, atMs, durationSeconds }: SyncFailure): void {
    const { metrics, logger } = this.#options;
    logger.error({ err: error, family, full }, "sync failed; everything stays pending and is tried again");
    const refused = error instanceof BackendError && error.code === "RESTORE_FAILED";
    metrics.syncFinished(family, {
      ok: false,
      full,
      durationSeconds,
      atMs,
      owned: {},
      written: {},
      phases: {},
      refused: 0,
      restoreFailed: refused,
    });
  }

  async succeeded(success: SyncSuccess): Promise<void> {
    const { family, result, atMs, durationSeconds, ledger } = success;
    const { metrics, health, serviceHealth, flows, logger } = this.#options;
    const refused = result.refused.length;
    metrics.syncFinished(family, {
      ...result,
      ok: true,
      atMs,
      durationSeconds,
      refused,
      // A partial round does not try again what an earlier one was refused.
      restoreFailed: result.full && refused > 0,
    });
    this.#observeLatency(success);
    health.updated(family, success.pendingSinceMs);
    metrics.noLocalEndpoints(family, "internal", ledger.noLocalEndpoints.internal);
    metrics.noLocalEndpoints(family, "external", ledger.noLocalEndpoints.external);
    if (success.repaired !== undefined) {
      metrics.driftRepaired(family);
      logger.info({ family, drift: success.repaired }, "repaired");
    }
    this.#reportRefused(family, result.refused);
    try {
      await serviceHealth.syncServices(ledger.healthChecks);
      await flows.clean(family, success.udp);
    } catch (error) {
      logger.error({ err: error, family }, "work after a sync failed");
    }
  }

  #observeLatency({ family, applied, atMs }: SyncSuccess): void {
    for (const { triggerTimesMs } of applied) {
      for (const triggered of triggerTimesMs) {
        this.#options.metrics.networkProgramming(family, (atMs - triggered) / 1000);
      }
    }
  }

  #reportRefused(family: IpFamily, refused: readonly RefusedService[]): void {
    const { events, logger } = this.#options;
    const before = this.#refused.get(family) ?? new Map<ServiceKey, string>();
    for (const { key, reason } of refused) {
      if (before.get(key) === reason) continue;
      logger.error(
        { family, service: key, reason },
        "this Service was refused, in whole or in part; others are not affected",
      );
      const [namespace = "", name = ""] = key.split("/");
      events.record({
        regarding: { kind: "Service", namespace, name },
        type: "Warning",
        reason: "KubeProxyRulesRefused",
        action: "Sync",
        note: `${family}: ${reason}`,
      });
    }
    const now = new Map(refused.map(({ key, reason }) => [key, reason]));
    for (const key of before.keys())
      if (!now.has(key)) logger.info({ family, service: key }, "accepted again");
    this.#refused.set(family, now);
  }
}
