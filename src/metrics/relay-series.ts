/** The metrics of userspace mode's traffic, by service port and endpoint. */
import type { Gauge, MetricValue, Registry } from "prom-client";
import type { IpFamily } from "../model/types.ts";
import type { Counts } from "./increments.ts";
import { gauge } from "./registry.ts";
import {
  type CountSpec,
  DIAL_BOUNDS,
  ENDPOINT_COUNTERS,
  ENDPOINT_COUNTS,
  type EndpointCounter,
  type EndpointLabel,
  UNSERVED_COUNTS,
} from "./relay-counts.ts";
import { ScrapedCounter } from "./scraped-counter.ts";
import { type HistogramSeries, ScrapedHistogram } from "./scraped-histogram.ts";
import { type EndpointShare, OTHERS, type TrafficShare } from "./traffic-share.ts";

type PortLabel = "ip_family" | "namespace" | "service" | "port" | "protocol";
type Label = PortLabel | "endpoint" | EndpointLabel;

const PORT_LABELS = ["ip_family", "namespace", "service", "port", "protocol"] as const;
const ENDPOINT_LABELS = [...PORT_LABELS, "endpoint"] as const;

/** The shares of one family. */
export interface FamilyShares {
  readonly family: IpFamily;
  readonly shares: readonly TrafficShare[];
}

export class RelaySeries {
  readonly #active: Gauge<Label>;
  readonly #unserved: ScrapedCounter<Label>;
  readonly #endpoints: Readonly<Record<EndpointCounter, ScrapedCounter<Label>>>;
  readonly #dials: ScrapedHistogram<Label>;

  constructor(registry: Registry) {
    const counter = (name: string, help: string, labelNames: readonly Label[]): ScrapedCounter<Label> =>
      new ScrapedCounter({ registers: [registry], name: `kpts_relay_${name}_total`, help, labelNames });
    this.#active = gauge<Label>(
      registry,
      "kpts_relay_connections",
      "Connections that the relay carries; a UDP client with its endpoint counts as one",
      ENDPOINT_LABELS,
    );
    this.#endpoints = {
      connections: counter("connections", "Connections made to an endpoint", ENDPOINT_LABELS),
      bytes: counter("bytes", "Bytes carried", [...ENDPOINT_LABELS, "direction"]),
      failures: counter("failures", "Attempts to reach an endpoint that failed", [
        ...ENDPOINT_LABELS,
        "reason",
      ]),
      resets: counter("resets", "Connections that one side reset", [...ENDPOINT_LABELS, "by"]),
    };
    this.#unserved = counter("unserved", "Clients that no endpoint served", [...PORT_LABELS, "reason"]);
    this.#dials = new ScrapedHistogram<Label>({
      registers: [registry],
      name: "kpts_relay_dial_seconds",
      help: "Time until an endpoint answered, TCP only",
      buckets: [...DIAL_BOUNDS],
      labelNames: PORT_LABELS,
    });
  }

  /** Makes these the series that are shown. */
  show(families: readonly FamilyShares[]): void {
    const ports = families.flatMap(({ family, shares }) =>
      shares.map((share) => ({ share, labels: portLabels(family, share), isRest: share.port === undefined })),
    );
    const endpoints = ports.flatMap(({ share, labels, isRest }) =>
      shownEndpoints(share).map(([endpoint, totals]) => ({
        ...totals,
        labels: { ...labels, endpoint },
        isRest,
      })),
    );
    this.#active.reset();
    for (const { labels, active } of endpoints) this.#active.set(labels, active);
    for (const name of ENDPOINT_COUNTERS) {
      this.#endpoints[name].series = endpoints.flatMap(({ counts, ...shown }) =>
        valuesOf(ENDPOINT_COUNTS, counts, shown, name),
      );
    }
    this.#unserved.series = ports.flatMap(({ share, ...shown }) =>
      valuesOf(UNSERVED_COUNTS, share.unserved, shown, "unserved"),
    );
    this.#dials.series = ports.flatMap(({ share, labels }) => dialSeries(share, labels));
  }
}

type Labels = Readonly<Partial<Record<Label, string>>>;

interface Shown {
  readonly labels: Labels;
  /** Of all that are not told apart: it has every series from the start. */
  readonly isRest: boolean;
}

/** Empty ones for the share of all that are not told apart, so that a sum over any label is right. */
function portLabels(ip_family: IpFamily, { port }: TrafficShare): Labels {
  const { namespace = "", name = "", portName = "", protocol = "" } = port ?? {};
  return { ip_family, namespace, service: name, port: portName, protocol };
}

/** Most ports have none but endpoints that are told apart. */
function shownEndpoints({ port, endpoints }: TrafficShare): (readonly [string, EndpointShare])[] {
  return [...endpoints].filter(
    ([endpoint, { active, counts }]) =>
      port === undefined || endpoint !== OTHERS || active > 0 || counts.some((count) => count > 0),
  );
}

function valuesOf<Counter extends string>(
  specs: readonly CountSpec<never, Counter, Label>[],
  counts: Counts,
  { labels, isRest }: Shown,
  counter: Counter,
): MetricValue<Label>[] {
  return specs.flatMap((spec, index) => {
    const value = counts[index] ?? 0;
    if (spec.counter !== counter || (spec.rare && value === 0 && !isRest)) return [];
    return [{ value, labels: { ...labels, ...spec.labels } }];
  });
}

/** UDP has no connects whose time could be taken. */
function dialSeries({ port, dials }: TrafficShare, labels: Labels): HistogramSeries<Label>[] {
  return port?.protocol === "UDP" ? [] : [{ labels, counts: dials.slice(0, -1), sum: dials.at(-1) ?? 0 }];
}
