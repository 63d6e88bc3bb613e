/**
 * New connections per service port, read from the kernel when somebody scrapes. Upstream has no such metrics; they are
 * under its prefix because they are about Services, not about this program.
 */
import type { Gauge, Registry } from "prom-client";
import type { Backend, PortIdentity } from "../backends/backend.ts";
import type { Logger } from "../logging/logger.ts";
import type { IpFamily } from "../model/types.ts";
import { gauge } from "./registry.ts";
import { ScrapedCounter } from "./scraped-counter.ts";
import { ServiceConnections } from "./service-connections.ts";
import { SharedReading } from "./shared-reading.ts";

/** What the metrics need of a backend. Its counters are read at any time, also during a sync. */
export type ConnectionSource = Pick<Backend, "family" | "readConnections" | "readTraffic">;

export interface ServiceConnectionOptions {
  /** The greatest number of service ports with a series of their own, per family; 0 turns the metrics off. */
  readonly limit: number;
  /** Those that do not count are left out. */
  readonly backends: readonly ConnectionSource[];
  readonly logger: Logger;
  /** A scrape waits this many milliseconds for the kernel, then shows the totals it had. Default 1,000. */
  readonly timeoutMs?: number;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

type SeriesLabel = "ip_family" | "namespace" | "service" | "port" | "protocol";

/** Registers the metrics; undefined, and nothing registered, when they are off or nobody counts. */
export function registerServiceConnections(
  registry: Registry,
  options: ServiceConnectionOptions,
): ServiceConnectionMetrics | undefined {
  const counts = options.backends.some(({ readConnections }) => readConnections !== undefined);
  return counts && options.limit > 0 ? new ServiceConnectionMetrics(registry, options) : undefined;
}

/** The series of all families that count. */
export class ServiceConnectionMetrics {
  readonly #families: readonly FamilyConnections[];
  readonly #own: ScrapedCounter<SeriesLabel>;
  readonly #rest: ScrapedCounter<"ip_family">;
  readonly #ownCount: Gauge<"ip_family">;

  constructor(registry: Registry, options: ServiceConnectionOptions) {
    this.#families = options.backends
      .filter(({ readConnections }) => readConnections !== undefined)
      .map((backend) => new FamilyConnections(backend, options));
    this.#own = new ScrapedCounter({
      registers: [registry],
      name: "kubeproxy_service_connections_total",
      help: "[ALPHA] New connections to a service port since it got a series of its own",
      labelNames: ["ip_family", "namespace", "service", "port", "protocol"],
    });
    this.#rest = new ScrapedCounter({
      registers: [registry],
      name: "kubeproxy_service_other_connections_total",
      help: "[ALPHA] New connections to service ports while they had no series of their own",
      labelNames: ["ip_family"],
    });
    this.#ownCount = gauge(
      registry,
      "kubeproxy_service_connection_series",
      "[ALPHA] Service ports that have a series of their own",
      ["ip_family"],
    );
    this.#show();
  }

  /** Reads the counters of all families, unless that was done a moment ago. Never rejects. */
  async refresh(): Promise<void> {
    await Promise.all(this.#families.map((family) => family.refresh()));
    this.#show();
  }

  #show(): void {
    this.#own.series = this.#families.flatMap(({ family, totals }) =>
      Array.from(totals.own, ({ port, total }) => ({ value: total, labels: labelsOf(family, port) })),
    );
    this.#rest.series = this.#families.map(({ family, totals }) => ({
      value: totals.rest,
      labels: { ip_family: family },
    }));
    for (const { family, totals } of this.#families)
      this.#ownCount.set({ ip_family: family }, totals.ownCount);
  }
}

function labelsOf(ip_family: IpFamily, port: PortIdentity): Record<SeriesLabel, string> {
  const { namespace, name, portName, protocol } = port;
  return { ip_family, namespace, service: name, port: portName, protocol };
}

/** One family's totals and where they come from. */
class FamilyConnections {
  readonly family: IpFamily;
  readonly totals: ServiceConnections;
  readonly #reading: SharedReading;

  constructor(backend: ConnectionSource, { limit, logger, timeoutMs, now }: ServiceConnectionOptions) {
    const { family } = backend;
    this.family = family;
    this.totals = new ServiceConnections(limit);
    this.#reading = new SharedReading({
      read: async () => this.totals.update((await backend.readConnections?.()) ?? []),
      onFailure: (err) => logger.warn({ family, err }, "cannot read the Services' counters"),
      timeoutMs,
      now,
    });
  }

  refresh(): Promise<void> {
    return this.#reading.refresh();
  }
}
