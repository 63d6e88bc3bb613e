/** Metrics that upstream does not have. Their prefix is `kpts_`: `kubeproxy_` is upstream's to extend. */
import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { IpFamily } from "../model/types.ts";
import { PROGRAM_VERSION } from "../version.ts";
import { PHASE_BUCKETS, SYNC_BUCKETS } from "./buckets.ts";
import { counter, gauge, histogram } from "./registry.ts";

export interface OwnMetrics {
  readonly startMissing: Gauge<"condition">;
  readonly refusedServices: Gauge<"ip_family">;
  readonly isolatingSyncs: Counter<"ip_family">;
  readonly driftRepairs: Counter<"ip_family">;
  readonly objects: Gauge<"ip_family" | "kind">;
  readonly objectsWritten: Counter<"ip_family" | "kind">;
  readonly phase: Histogram<"ip_family" | "phase">;
  readonly eventToKernel: Histogram<"ip_family">;
}

/** Registers them, with a series of value zero for each family. */
export function registerOwnMetrics(registry: Registry, families: readonly IpFamily[]): OwnMetrics {
  const info = gauge(registry, "kpts_build_info", "This program's own version and its runtime's; always 1", [
    "version",
    "node_version",
  ]);
  info.set({ version: PROGRAM_VERSION, node_version: process.version }, 1);
  const metrics: OwnMetrics = {
    startMissing: gauge(
      registry,
      "kpts_start_missing",
      "1 while a condition of start is not met and nothing is programmed for it; then 0",
      ["condition"],
    ),
    refusedServices: gauge(registry, "kpts_refused_services", "Services that the kernel would not take", [
      "ip_family",
    ]),
    isolatingSyncs: counter(
      registry,
      "kpts_isolating_syncs_total",
      "Sync rounds that left refused Services out so that all others could be programmed",
      ["ip_family"],
    ),
    driftRepairs: counter(
      registry,
      "kpts_drift_repairs_total",
      "Times that rules removed by somebody else were put back",
      ["ip_family"],
    ),
    objects: gauge(
      registry,
      "kpts_kernel_objects",
      "Rules, elements and other kernel objects that are the proxy's, after the last successful sync round",
      ["ip_family", "kind"],
    ),
    objectsWritten: counter(
      registry,
      "kpts_kernel_objects_written_total",
      "Rules, elements and other kernel objects written by successful sync rounds",
      ["ip_family", "kind"],
    ),
    phase: histogram(
      registry,
      "kpts_sync_phase_seconds",
      "Duration of a phase of a sync round",
      PHASE_BUCKETS,
      ["ip_family", "phase"],
    ),
    eventToKernel: histogram(
      registry,
      "kpts_event_to_kernel_seconds",
      "Time from the oldest event of a successful round until it is in the kernel",
      SYNC_BUCKETS,
      ["ip_family"],
    ),
  };
  for (const ip_family of families) {
    metrics.refusedServices.set({ ip_family }, 0);
    metrics.isolatingSyncs.inc({ ip_family }, 0);
    metrics.driftRepairs.inc({ ip_family }, 0);
    metrics.eventToKernel.zero({ ip_family });
  }
  return metrics;
}
