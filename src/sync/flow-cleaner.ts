/** Forgets stale UDP flows after a sync, and what answers that were under way then made of them. */
import type { FlowTuple } from "../kernel/conntrack.ts";
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { IpFamily } from "../model/types.ts";
import type { Clock } from "./clock.ts";
import type { UdpChange } from "./service-ledger.ts";
import { reconcileUdpFlows, type UdpFlowTable } from "./stale-flows.ts";

/** How long an answer may be under way, in milliseconds; while there was one, the next look comes after twice as long. */
const FIRST_LOOK_MS = 1_000;
const LAST_LOOK_MS = 8_000;

export interface FlowCleanerOptions {
  readonly flows: UdpFlowTable;
  readonly localAddresses: (family: IpFamily) => Promise<readonly string[]>;
  /** Ports behind which the proxy itself carries UDP flows. */
  readonly ownUdpPorts: () => ReadonlySet<number>;
  readonly metrics: Pick<ProxyMetrics, "conntrackReconciled">;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class FlowCleaner {
  readonly #options: FlowCleanerOptions;
  readonly #looks = new Set<() => void>();
  #isStopped = false;

  constructor(options: FlowCleanerOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "flow-cleaner") };
  }

  /** Run it after the rules, never before: a flow deleted earlier could come back with the old endpoint. */
  async clean(family: IpFamily, { current, previous }: UdpChange): Promise<void> {
    if (previous.length === 0 && current.length === 0) return;
    const { flows, localAddresses, ownUdpPorts } = this.#options;
    const started = performance.now();
    const check = {
      current,
      previous,
      localAddresses: await localAddresses(family),
      ownPorts: ownUdpPorts(),
    };
    const result = await reconcileUdpFlows(family, check, flows);
    this.#report(family, started, result);
    if (result.backwards.length > 0) this.#lookAfter(FIRST_LOOK_MS, family, result.backwards);
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#looks) cancel();
    this.#looks.clear();
  }

  #lookAfter(delayMs: number, family: IpFamily, tuples: readonly FlowTuple[]): void {
    if (this.#isStopped) return;
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#looks.delete(cancel);
      void this.#look(delayMs, family, tuples);
    });
    this.#looks.add(cancel);
  }

  async #look(delayMs: number, family: IpFamily, tuples: readonly FlowTuple[]): Promise<void> {
    const started = performance.now();
    try {
      const result = await this.#options.flows.delete(tuples);
      this.#report(family, started, result);
      if (result.deleted > 0 && delayMs < LAST_LOOK_MS) this.#lookAfter(2 * delayMs, family, tuples);
    } catch (error) {
      this.#report(family, started, { deleted: 0, errors: [error as Error] });
    }
  }

  #report(
    family: IpFamily,
    started: number,
    { deleted, errors }: { readonly deleted: number; readonly errors: readonly Error[] },
  ): void {
    const { metrics, logger } = this.#options;
    metrics.conntrackReconciled(family, (performance.now() - started) / 1000, deleted);
    for (const error of errors)
      logger.error({ err: error, family }, "stale UDP flows may remain until the next change");
    if (deleted > 0) logger.debug({ family, deleted }, "forgot stale UDP flows");
  }
}
