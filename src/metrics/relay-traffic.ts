/**
 * What userspace mode has carried, as totals that only grow: of a limited number of service ports each, of the others
 * together. Pure.
 */
import type { PortTraffic } from "../backends/backend.ts";
import { Increments } from "./increments.ts";
import { Places } from "./places.ts";
import { portKey } from "./service-connections.ts";
import { TrafficShare } from "./traffic-share.ts";

/** A service port can have thousands of endpoints, each with several series. */
const ENDPOINTS_OF_PORT = 20;

/**
 * The totals of one family, made from successive reports. Who gets totals, and with what they begin, is as in
 * `ServiceConnections`, except that all counters are younger than this process: nothing they count is old.
 */
export class RelayTraffic {
  readonly #places: Places;
  readonly #increments = new Increments();
  readonly #own = new Map<string, TrafficShare>();
  readonly #rest = new TrafficShare(undefined, 0);
  #starts = 0;

  /** `limit`: the greatest number of service ports with totals of their own. */
  constructor(limit: number) {
    this.#places = new Places(limit);
  }

  /** All of them; the one without a port is there from the start. */
  get shares(): readonly TrafficShare[] {
    return [...this.#own.values(), this.#rest];
  }

  /** Takes the next report: the ports, each once, of the relay that was started as the `starts`th. */
  update(starts: number, ports: readonly PortTraffic[]): void {
    this.#increments.begin(starts !== this.#starts);
    this.#starts = starts;
    const activity = new Map<string, number>();
    for (const port of ports) {
      const key = portKey(port);
      activity.set(key, this.#share(key).count(key, port, this.#increments));
    }
    this.#giveTotals(ports, activity);
    for (const share of this.shares) share.clearActive();
    for (const port of ports) this.#share(portKey(port)).addActive(port);
  }

  #share(key: string): TrafficShare {
    return this.#own.get(key) ?? this.#rest;
  }

  #giveTotals(ports: readonly PortTraffic[], activity: ReadonlyMap<string, number>): void {
    this.#places.update(activity);
    for (const key of this.#own.keys()) if (!this.#places.has(key)) this.#own.delete(key);
    for (const port of ports) {
      const key = portKey(port);
      if (this.#places.has(key) && !this.#own.has(key)) this.#own.set(key, ownShare(port));
    }
  }
}

function ownShare({ endpoints, unserved, ...port }: PortTraffic): TrafficShare {
  const share = new TrafficShare(port, ENDPOINTS_OF_PORT);
  share.giveTotals(new Map(endpoints.map(({ endpoint }) => [endpoint, 0])));
  return share;
}
