/** Short ways to register metrics; every one goes to the registry given, never to prom-client's global one. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** The runtime samples its event loop this often (milliseconds); prom-client's 10 would wake an idle proxy for nothing. */
const EVENT_LOOP_SAMPLE_MS = 200;

/** A registry with the `process_*` and `nodejs_*` metrics. */
export function createRegistry(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  return register;
}

export function counter<L extends string = never>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
): Counter<L> {
  return new Counter({ registers: [registry], name, help, labelNames });
}

export function gauge<L extends string = never>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
): Gauge<L> {
  return new Gauge({ registers: [registry], name, help, labelNames });
}

export function histogram<L extends string = never>(
  registry: Registry,
  name: string,
  help: string,
  buckets: readonly number[],
  labelNames: readonly L[] = [],
): Histogram<L> {
  return new Histogram({ registers: [registry], name, help, buckets: [...buckets], labelNames });
}
