/** Metrics that every Kubernetes component has: which release it is, its feature gates, its API requests. */
import type { Counter, Histogram, Registry } from "prom-client";
import { gatesInForce } from "../config/feature-gates.ts";
import { KUBERNETES_VERSION } from "../version.ts";
import { REQUEST_BUCKETS } from "./buckets.ts";
import { counter, gauge, histogram } from "./registry.ts";

/** One finished request to the API server; a watch is finished when its headers have come. */
export interface ApiRequestInfo {
  /** HTTP status as text, or `<error>` when no response came. */
  readonly code: string;
  /** Upper case. */
  readonly method: string;
  /** `host:port`. */
  readonly host: string;
  readonly durationSeconds: number;
}

/** How long a request waited for its turn, where the number of requests is limited. */
export interface ApiTurnInfo {
  /** Upper case. */
  readonly verb: string;
  /** `host:port`. */
  readonly host: string;
  readonly waitedSeconds: number;
}

export interface ApiClientMetrics {
  readonly requests: Counter<"code" | "method" | "host">;
  readonly duration: Histogram<"verb" | "host">;
  readonly rateLimiter: Histogram<"verb" | "host">;
}

/** Go's words for this machine's architecture. */
const GO_ARCH: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/**
 * Registers `kubernetes_build_info`, whose version alerts compare across the cluster, and `kubernetes_feature_enabled`
 * for the gates that change something here and for those that are set.
 */
export function registerBuildMetrics(
  registry: Registry,
  featureGates: Readonly<Record<string, boolean>>,
): void {
  const labels = {
    ...splitVersion(KUBERNETES_VERSION),
    git_version: KUBERNETES_VERSION,
    git_commit: "",
    git_tree_state: "",
    build_date: "",
    go_version: "",
    compiler: "",
    platform: `${process.platform}/${GO_ARCH[process.arch] ?? process.arch}`,
  };
  const help = "[ALPHA] The Kubernetes release whose kube-proxy this program stands in for; always 1";
  gauge(registry, "kubernetes_build_info", help, Object.keys(labels)).set(labels, 1);
  const gates = gauge(registry, "kubernetes_feature_enabled", "[BETA] Feature gates, 1 = on", [
    "name",
    "stage",
  ]);
  // Stages are not kept here; upstream leaves this one empty for gates that are generally available.
  for (const [name, enabled] of Object.entries(gatesInForce(featureGates)))
    gates.set({ name, stage: "" }, enabled ? 1 : 0);
}

/** Registers the metrics of the API client. */
export function registerApiClientMetrics(registry: Registry): ApiClientMetrics {
  return {
    requests: counter(
      registry,
      "rest_client_requests_total",
      "[ALPHA] API requests by status code, method, host",
      ["code", "method", "host"],
    ),
    duration: histogram(
      registry,
      "rest_client_request_duration_seconds",
      "[ALPHA] Time until an API request's response headers, by verb and host",
      REQUEST_BUCKETS,
      ["verb", "host"],
    ),
    rateLimiter: histogram(
      registry,
      "rest_client_rate_limiter_duration_seconds",
      "[ALPHA] Time an API request waited for its turn, by verb and host",
      REQUEST_BUCKETS,
      ["verb", "host"],
    ),
  };
}

function splitVersion(version: string): { major: string; minor: string } {
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  return { major, minor };
}
