/** Reads what the benchmark needs out of the proxy's metrics. */

/** Series as `name{labels}` → value. */
export type Scrape = ReadonlyMap<string, number>;

/** Parses Prometheus text. */
export function parseScrape(text: string): Scrape {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    const end = line.lastIndexOf(" ");
    if (end > 0 && !line.startsWith("#")) series.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return series;
}

/** Sum of the series of a metric whose labels include the given text; 0 when there is none. */
export function sumOf(scrape: Scrape, metric: string, labels = ""): number {
  let sum = 0;
  for (const [name, value] of scrape) {
    if (name.startsWith(metric) && (name[metric.length] ?? "{") === "{" && name.includes(labels))
      sum += value;
  }
  return sum;
}

/** Milliseconds by phase of all IPv4 rounds between two scrapes. */
export function phasesBetween(before: Scrape, after: Scrape): Readonly<Record<string, number>> {
  const phases: Record<string, number> = {};
  for (const [name, value] of after) {
    if (!name.startsWith("kpts_sync_phase_seconds_sum{") || !name.includes('"IPv4"')) continue;
    const phase = /phase="(\w+)"/.exec(name)?.[1] ?? "";
    phases[phase] = (value - (before.get(name) ?? 0)) * 1000;
  }
  return phases;
}
