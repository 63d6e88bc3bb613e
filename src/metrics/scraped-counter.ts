/** A counter whose values live elsewhere. */
import { Counter, type MetricObjectWithValues, type MetricValue } from "prom-client";

/** Shows the series it was given last, and none before. */
export class ScrapedCounter<L extends string = never> extends Counter<L> {
  series: readonly MetricValue<L>[] = [];

  override async get(): Promise<MetricObjectWithValues<MetricValue<L>>> {
    return { ...(await super.get()), values: [...this.series] };
  }
}
