/** Whether the proxy keeps up with the cluster, as `/healthz` and `/livez` report it. Pure state; the clock is given. */
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";

export interface ProxyHealthOptions {
  /** Milliseconds that a change may wait before its family counts as unhealthy: twice the sync period. */
  readonly timeoutMs: number;
  /** What start still waits for, for people. Default: nothing. */
  readonly waitingFor?: () => readonly string[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface FamilyHealth {
  readonly lastUpdatedMs: number;
  readonly healthy: boolean;
}

export interface HealthReport {
  /** No family is behind. Whether the node is eligible for traffic does not count. */
  readonly healthy: boolean;
  readonly nodeEligible: boolean;
  readonly currentMs: number;
  /** Of the family that synced last; undefined before any did. */
  readonly lastUpdatedMs: number | undefined;
  /** Only families that have synced. */
  readonly families: Readonly<Partial<Record<IpFamily, FamilyHealth>>>;
  /** Why nothing is programmed yet; empty once the start is over. */
  readonly waitingFor: readonly string[];
}

/**
 * A family is unhealthy when it has synced before and its oldest change waits too long. An idle proxy stays healthy for
 * ever, and so does one that has not synced yet: killing it would not help.
 */
export class ProxyHealth {
  readonly #timeoutMs: number;
  readonly #waitingFor: () => readonly string[];
  readonly #now: () => number;
  readonly #oldestPendingMs = new Map<IpFamily, number>();
  readonly #lastUpdatedMs = new Map<IpFamily, number>();
  #nodeEligible = true;

  constructor(options: ProxyHealthOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#waitingFor = options.waitingFor ?? (() => []);
    this.#now = options.now ?? Date.now;
  }

  /** A change of this family waits to be applied. */
  queued(family: IpFamily): void {
    if (!this.#oldestPendingMs.has(family)) this.#oldestPendingMs.set(family, this.#now());
  }

  /** A sync of this family succeeded; `pendingSinceMs` is set when changes have come in during it. */
  updated(family: IpFamily, pendingSinceMs?: number): void {
    this.#lastUpdatedMs.set(family, this.#now());
    if (pendingSinceMs === undefined) this.#oldestPendingMs.delete(family);
    else this.#oldestPendingMs.set(family, pendingSinceMs);
  }

  /** Whether load balancers may send traffic here. True until told otherwise. */
  setNodeEligible(eligible: boolean): void {
    this.#nodeEligible = eligible;
  }

  /** The state at this moment. */
  report(): HealthReport {
    const currentMs = this.#now();
    const families: Partial<Record<IpFamily, FamilyHealth>> = {};
    let lastUpdatedMs: number | undefined;
    let healthy = true;
    for (const family of IP_FAMILIES) {
      const updatedMs = this.#lastUpdatedMs.get(family);
      if (updatedMs === undefined) continue;
      const waitedMs = currentMs - (this.#oldestPendingMs.get(family) ?? currentMs);
      const status = { lastUpdatedMs: updatedMs, healthy: waitedMs < this.#timeoutMs };
      families[family] = status;
      healthy &&= status.healthy;
      lastUpdatedMs = Math.max(lastUpdatedMs ?? 0, updatedMs);
    }
    const waitingFor = this.#waitingFor();
    return { healthy, nodeEligible: this.#nodeEligible, currentMs, lastUpdatedMs, families, waitingFor };
  }
}
