/**
 * Upstream's own metrics (prefix `kubeproxy_`): names, labels and buckets of Kubernetes 1.33 and later, registered per
 * mode as upstream does since 1.31.
 */
import type { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ProxyMode } from "../config/proxy-config.ts";
import type { IpFamily } from "../model/types.ts";
import { PROGRAMMING_BUCKETS, SYNC_BUCKETS } from "./buckets.ts";
import { counter, gauge, histogram } from "./registry.ts";

type Family = "ip_family";
export type TrafficPolicy = "internal" | "external";

/** Present in every mode. */
export interface CommonMetrics {
  readonly syncDuration: Histogram<Family>;
  readonly lastSynced: Gauge<Family>;
  readonly lastQueued: Gauge<Family>;
  readonly networkProgramming: Histogram<Family>;
  readonly endpointChanges: Counter;
  readonly endpointChangesPending: Gauge;
  readonly serviceChanges: Counter;
  readonly serviceChangesPending: Gauge;
  readonly healthz: Counter<"code">;
  readonly livez: Counter<"code">;
}

/** Present where the mode has what they count. */
export interface ModeMetrics {
  readonly full?: Histogram<Family>;
  readonly partial?: Histogram<Family>;
  readonly noLocalEndpoints?: Gauge<Family | "traffic_policy">;
  readonly restoreFailures?: Counter<Family>;
  readonly partialRestoreFailures?: Counter<Family>;
  readonly iptablesOwned?: Gauge<Family | "table">;
  readonly iptablesWritten?: Gauge<Family | "table">;
  readonly nftablesSyncFailures?: Counter<Family>;
  readonly conntrackDuration?: Histogram<Family>;
  readonly conntrackDeleted?: Counter<Family>;
}

export type KubeproxyMetrics = CommonMetrics & ModeMetrics;

/** The tables that hold the iptables mode's rules. */
const TABLES = ["filter", "nat"] as const;

/** Registers the metrics of a mode, with a series of value zero for each family, so that no dashboard starts empty. */
export function registerKubeproxyMetrics(
  registry: Registry,
  mode: ProxyMode,
  families: readonly IpFamily[],
): KubeproxyMetrics {
  const metrics = { ...registerCommon(registry), ...registerOfMode(registry, mode) };
  for (const ip_family of families) {
    metrics.syncDuration.zero({ ip_family });
    metrics.networkProgramming.zero({ ip_family });
    metrics.lastSynced.set({ ip_family }, 0);
    metrics.lastQueued.set({ ip_family }, 0);
    zeroOfMode(metrics, ip_family);
  }
  for (const code of ["200", "503"]) {
    metrics.healthz.inc({ code }, 0);
    metrics.livez.inc({ code }, 0);
  }
  return metrics;
}

function registerCommon(registry: Registry): CommonMetrics {
  const p = "kubeproxy_sync_proxy_rules";
  return {
    syncDuration: histogram(
      registry,
      `${p}_duration_seconds`,
      "[ALPHA] Duration of a sync round",
      SYNC_BUCKETS,
      ["ip_family"],
    ),
    lastSynced: gauge(registry, `${p}_last_timestamp_seconds`, "[ALPHA] Time of the last successful sync", [
      "ip_family",
    ]),
    lastQueued: gauge(
      registry,
      `${p}_last_queued_timestamp_seconds`,
      "[ALPHA] Time a sync was last requested",
      ["ip_family"],
    ),
    networkProgramming: histogram(
      registry,
      "kubeproxy_network_programming_duration_seconds",
      "[ALPHA] Time from a change of a Service's pods until it is in the kernel",
      PROGRAMMING_BUCKETS,
      ["ip_family"],
    ),
    endpointChanges: counter(registry, `${p}_endpoint_changes_total`, "[ALPHA] EndpointSlice events seen"),
    endpointChangesPending: gauge(
      registry,
      `${p}_endpoint_changes_pending`,
      "[ALPHA] Endpoint changes to apply",
    ),
    serviceChanges: counter(
      registry,
      `${p}_service_changes_total`,
      "[ALPHA] Service events seen, per IP family",
    ),
    serviceChangesPending: gauge(
      registry,
      `${p}_service_changes_pending`,
      "[ALPHA] Service changes to apply",
    ),
    healthz: counter(registry, "kubeproxy_proxy_healthz_total", "[ALPHA] Answers on /healthz", ["code"]),
    livez: counter(registry, "kubeproxy_proxy_livez_total", "[ALPHA] Answers on /livez", ["code"]),
  };
}

function registerOfMode(registry: Registry, mode: ProxyMode): ModeMetrics {
  const usesIptables = mode === "iptables" || mode === "ipvs";
  return {
    ...((mode === "iptables" || mode === "nftables") && registerRounds(registry)),
    ...(mode !== "userspace" && registerKernelForwarding(registry)),
    ...(usesIptables && {
      restoreFailures: counter(
        registry,
        "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
        "[ALPHA] Failed runs of iptables-restore",
        ["ip_family"],
      ),
    }),
    ...(mode === "iptables" && registerIptables(registry)),
    ...(mode === "nftables" && {
      nftablesSyncFailures: counter(
        registry,
        "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
        "[ALPHA] Failed nftables transactions",
        ["ip_family"],
      ),
    }),
  };
}

function registerRounds(registry: Registry): ModeMetrics {
  const full = "kubeproxy_sync_full_proxy_rules_duration_seconds";
  const partial = "kubeproxy_sync_partial_proxy_rules_duration_seconds";
  return {
    full: histogram(registry, full, "[ALPHA] Duration of a full sync round", SYNC_BUCKETS, ["ip_family"]),
    partial: histogram(registry, partial, "[ALPHA] Duration of a partial sync round", SYNC_BUCKETS, [
      "ip_family",
    ]),
  };
}

function registerKernelForwarding(registry: Registry): ModeMetrics {
  return {
    noLocalEndpoints: gauge(
      registry,
      "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
      "[ALPHA] Service ports with traffic policy Local that have endpoints, but none usable on this node",
      ["ip_family", "traffic_policy"],
    ),
    conntrackDuration: histogram(
      registry,
      "kubeproxy_conntrack_reconciler_sync_duration_seconds",
      "[ALPHA] Duration of a clean-up of stale UDP flows",
      SYNC_BUCKETS,
      ["ip_family"],
    ),
    conntrackDeleted: counter(
      registry,
      "kubeproxy_conntrack_reconciler_deleted_entries_total",
      "[ALPHA] Stale UDP flows deleted",
      ["ip_family"],
    ),
  };
}

function registerIptables(registry: Registry): ModeMetrics {
  const p = "kubeproxy_sync_proxy_rules_iptables";
  return {
    partialRestoreFailures: counter(
      registry,
      `${p}_partial_restore_failures_total`,
      "[ALPHA] Failed partial syncs; a full one follows",
      ["ip_family"],
    ),
    iptablesOwned: gauge(registry, `${p}_total`, "[ALPHA] Rules owned by the proxy", ["ip_family", "table"]),
    iptablesWritten: gauge(registry, `${p}_last`, "[ALPHA] Rules written by the last sync", [
      "ip_family",
      "table",
    ]),
  };
}

function zeroOfMode(metrics: ModeMetrics, ip_family: IpFamily): void {
  for (const each of [metrics.full, metrics.partial, metrics.conntrackDuration]) each?.zero({ ip_family });
  metrics.restoreFailures?.inc({ ip_family }, 0);
  metrics.partialRestoreFailures?.inc({ ip_family }, 0);
  metrics.nftablesSyncFailures?.inc({ ip_family }, 0);
  metrics.conntrackDeleted?.inc({ ip_family }, 0);
  for (const traffic_policy of ["internal", "external"]) {
    metrics.noLocalEndpoints?.set({ ip_family, traffic_policy }, 0);
  }
  for (const table of TABLES) {
    metrics.iptablesOwned?.set({ ip_family, table }, 0);
    metrics.iptablesWritten?.set({ ip_family, table }, 0);
  }
}
