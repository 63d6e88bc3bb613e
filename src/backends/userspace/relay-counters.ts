/** What the relay of a family has counted, whichever relay it is: one that died has a successor. */
import type { Relay } from "../../relay/relay.ts";
import type { RelayStats } from "../../relay/types.ts";
import type { PortConnections, TrafficReport } from "../backend.ts";
import { NO_STATS, portConnections, trafficReport, withUnused } from "./traffic.ts";

/** A relay, and the ids of the virtual ports that it has now. */
export interface CountingRelay {
  readonly relay: Pick<Relay, "stats">;
  readonly ids: Iterable<string>;
}

export class RelayCounters {
  #running: CountingRelay | undefined;
  #starts = 0;
  #answer: Promise<RelayStats> | undefined;

  /** There is a relay, in place of the one before. */
  started(running: CountingRelay): void {
    this.#running = running;
    this.#starts++;
  }

  /** Rejects while a relay that died has no successor. */
  async connections(): Promise<readonly PortConnections[]> {
    return portConnections(await this.#read());
  }

  /** Rejects like `connections`. */
  async traffic(): Promise<TrafficReport> {
    const starts = this.#starts;
    return trafficReport(await this.#read(), starts);
  }

  /** Both are asked for at the same time, and get the same answer: it costs the relay time that clients wait for. */
  #read(): Promise<RelayStats> {
    if (this.#running === undefined) return Promise.resolve(NO_STATS);
    this.#answer ??= readAll(this.#running).finally(() => {
      this.#answer = undefined;
    });
    return this.#answer;
  }
}

async function readAll({ relay, ids }: CountingRelay): Promise<RelayStats> {
  return withUnused(await relay.stats(), ids);
}
