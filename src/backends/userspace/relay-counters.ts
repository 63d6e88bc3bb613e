/** What the relay of a family has counted, whichever relay it is: one that died has a successor. */
import type { Relay } from "../../relay/relay.ts";
import type { RelayStats } from "../../relay/types.ts";
import type { PortConnections, TrafficReport } from "../backend.ts";
import { NO_STATS, portConnections, trafficReport } from "./traffic.ts";

export class RelayCounters {
  #relay: Pick<Relay, "stats"> | undefined;
  #starts = 0;
  #answer: Promise<RelayStats> | undefined;

  /** There is a relay, in place of the one before. */
  started(relay: Pick<Relay, "stats">): void {
    this.#relay = relay;
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
    if (this.#relay === undefined) return Promise.resolve(NO_STATS);
    this.#answer ??= this.#relay.stats().finally(() => {
      this.#answer = undefined;
    });
    return this.#answer;
  }
}
