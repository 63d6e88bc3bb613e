/** Results of health checks, for `/metrics/slis`: what Kubernetes components tell about themselves as service levels. */
import { type Counter, type Gauge, Registry } from "prom-client";
import { counter, gauge } from "./registry.ts";

/** Upstream has the first alone: that the metrics server answers. The second is what `/healthz` and `/livez` say. */
export type HealthCheck = "ping" | "proxy";
export type HealthCheckType = "healthz" | "livez";

/** They are in a registry of their own, as they are scraped more often than the rest. */
export class HealthSlis {
  readonly #registry = new Registry();
  readonly #result: Gauge<"name" | "type">;
  readonly #results: Counter<"name" | "type" | "status">;

  constructor() {
    this.#result = gauge(
      this.#registry,
      "kubernetes_healthcheck",
      "[STABLE] Result of the last health check, 1 = success",
      ["name", "type"],
    );
    this.#results = counter(
      this.#registry,
      "kubernetes_healthchecks_total",
      "[STABLE] Results of health checks",
      ["name", "type", "status"],
    );
  }

  /** A check was asked for. Those that nobody asks for have no series, as upstream. */
  observe(name: HealthCheck, type: HealthCheckType, ok: boolean): void {
    this.#result.set({ name, type }, ok ? 1 : 0);
    this.#results.inc({ name, type, status: ok ? "success" : "error" });
  }

  /** All of them as text, format 0.0.4. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }
}
