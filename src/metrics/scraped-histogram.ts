/** A histogram whose values live elsewhere. */
import { Histogram, type LabelValues, type MetricValueWithName } from "prom-client";

/** What was observed under one set of labels. */
export interface HistogramSeries<L extends string> {
  readonly labels: LabelValues<L>;
  /** Observations in each bucket; the last are those beyond all bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
}

type Options<L extends string> = ConstructorParameters<typeof Histogram<L>>[0];

/** Shows the series it was given last, and none before. */
export class ScrapedHistogram<L extends string = never> extends Histogram<L> {
  series: readonly HistogramSeries<L>[] = [];
  readonly #options: Options<L>;

  constructor(options: Options<L>) {
    super(options);
    this.#options = options;
  }

  /** What registry and base class call for the values; their types do not have it. */
  async getForPromString(): Promise<object> {
    const { name, help } = this.#options;
    const values = this.series.flatMap((series) => this.#values(series));
    return { name, help, type: "histogram", aggregator: "sum", values };
  }

  /** A bucket holds all up to its bound. */
  #values({ labels: sharedLabels, counts, sum }: HistogramSeries<L>): Value[] {
    const { name, buckets: bounds = [] } = this.#options;
    let total = 0;
    const buckets = [...bounds, "+Inf"].map((le, index): Value => {
      total += counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels, value: total },
    ];
  }
}

/** As prom-client has them inside; it may write to `labels`. */
interface Value extends MetricValueWithName<"le"> {
  readonly sharedLabels: object;
}
