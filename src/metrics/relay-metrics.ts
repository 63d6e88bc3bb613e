/** What the relay of userspace mode does, read from it when somebody scrapes. */
import type { Counter, Gauge, Registry } from "prom-client";
import type { RelayTotals, TrafficReport } from "../backends/backend.ts";
import type { IpFamily } from "../model/types.ts";
import { type Counts, Increments } from "./increments.ts";
import { counter, gauge } from "./registry.ts";
import { type FamilyShares, RelaySeries } from "./relay-series.ts";
import { RelayTraffic } from "./relay-traffic.ts";
import type { ConnectionSource, ServiceConnectionOptions } from "./service-connection-metrics.ts";
import { SharedReading } from "./shared-reading.ts";
import type { TrafficShare } from "./traffic-share.ts";

/** Registers the metrics; undefined, and nothing registered, in modes where the kernel forwards. */
export function registerRelayMetrics(
  registry: Registry,
  options: ServiceConnectionOptions,
): RelayMetrics | undefined {
  const carries = options.backends.some(({ readTraffic }) => readTraffic !== undefined);
  return carries ? new RelayMetrics(registry, options) : undefined;
}

/** The series of all families whose traffic is relayed. */
export class RelayMetrics {
  readonly #families: readonly FamilyTraffic[];
  readonly #series: RelaySeries;

  constructor(registry: Registry, options: ServiceConnectionOptions) {
    const totals = registerTotals(registry);
    this.#families = options.backends
      .filter(({ readTraffic }) => readTraffic !== undefined)
      .map((backend) => new FamilyTraffic(backend, totals, options));
    this.#series = new RelaySeries(registry);
    this.#series.show(this.#families);
  }

  /** Reads the counters of all families, unless that was done a moment ago. Never rejects. */
  async refresh(): Promise<void> {
    await Promise.all(this.#families.map((family) => family.refresh()));
    this.#series.show(this.#families);
  }
}

interface Totals {
  readonly clients: Gauge<"ip_family" | "protocol">;
  readonly starts: Counter<"ip_family">;
  /** In the order of `COUNTERS`. */
  readonly counters: readonly Counter<"ip_family">[];
}

/** Counters of the relay as a whole: name without prefix and suffix, meaning, and where it comes from. */
const COUNTERS: readonly (readonly [string, string, keyof Omit<RelayTotals, "clients">])[] = [
  ["refused_by_limit", "Clients turned away because there were too many", "refusedByLimit"],
  ["out_of_descriptors", "Times that the process had too few descriptors for a client", "outOfDescriptors"],
  ["unknown_destination", "Clients of addresses that belong to no Service", "unknownDestination"],
  ["evicted", "UDP clients forgotten to make room for others", "evicted"],
  ["internal_errors", "Errors of the relay's own that cost one client each", "internalErrors"],
];

function registerTotals(registry: Registry): Totals {
  const ofFamily = (name: string, help: string): Counter<"ip_family"> =>
    counter(registry, `kpts_relay_${name}_total`, help, ["ip_family"]);
  return {
    clients: gauge(registry, "kpts_relay_clients", "Clients of the relay, with or without an endpoint yet", [
      "ip_family",
      "protocol",
    ]),
    starts: ofFamily("starts", "Times that the relay was started; more than one if it died"),
    counters: COUNTERS.map(([name, help]) => ofFamily(name, help)),
  };
}

/** One family's totals and where they come from. */
class FamilyTraffic implements FamilyShares {
  readonly family: IpFamily;
  readonly #traffic: RelayTraffic;
  readonly #totals: Totals;
  readonly #increments = new Increments();
  readonly #reading: SharedReading;
  #starts = 0;

  constructor(
    backend: ConnectionSource,
    totals: Totals,
    { limit, logger, timeoutMs, now }: ServiceConnectionOptions,
  ) {
    const { family } = backend;
    this.family = family;
    this.#traffic = new RelayTraffic(limit);
    this.#totals = totals;
    this.#reading = new SharedReading({
      read: async () => this.#take(await backend.readTraffic?.()),
      onFailure: (err) => logger.warn({ family, err }, "cannot read the relay's counters"),
      timeoutMs,
      now,
    });
    this.#count(
      { TCP: 0, UDP: 0 },
      COUNTERS.map(() => 0),
      0,
    );
  }

  get shares(): readonly TrafficShare[] {
    return this.#traffic.shares;
  }

  refresh(): Promise<void> {
    return this.#reading.refresh();
  }

  #take(report: TrafficReport | undefined): void {
    if (report === undefined) return;
    const { starts, ports, relay } = report;
    this.#traffic.update(starts, ports);
    this.#increments.begin(starts !== this.#starts);
    const counts = this.#increments.since(
      "relay",
      "",
      COUNTERS.map(([, , key]) => relay[key]),
    );
    this.#count(relay.clients, counts, starts - this.#starts);
    this.#starts = starts;
  }

  #count(clients: RelayTotals["clients"], counts: Counts, starts: number): void {
    const labels = { ip_family: this.family };
    const { clients: gauge, starts: startCounter, counters } = this.#totals;
    gauge.set({ ...labels, protocol: "TCP" }, clients.TCP);
    gauge.set({ ...labels, protocol: "UDP" }, clients.UDP);
    startCounter.inc(labels, starts);
    for (const [index, each] of counters.entries()) each.inc(labels, counts[index] ?? 0);
  }
}
