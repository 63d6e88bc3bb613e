/** What userspace mode has carried of one service port, or of all that are not told apart. Pure. */
import type { EndpointTraffic, PortIdentity, PortTraffic } from "../backends/backend.ts";
import { addCounts, type Increments } from "./increments.ts";
import { Places } from "./places.ts";
import { DIAL_COUNTS, dialCounts, ENDPOINT_COUNTS, UNSERVED_COUNTS } from "./relay-counts.ts";

/** The name of all endpoints that are not told apart. */
export const OTHERS = "";

/** Totals of an endpoint. */
export interface EndpointShare {
  /** Connections now. */
  active: number;
  /** In the order of `ENDPOINT_COUNTS`. */
  readonly counts: number[];
}

export class TrafficShare {
  /** Undefined: of several ports. */
  readonly port: PortIdentity | undefined;
  /** In the order of `UNSERVED_COUNTS`. */
  readonly unserved: number[] = zeros(UNSERVED_COUNTS.length);
  /** In the order of `dialCounts`. */
  readonly dials: number[] = zeros(DIAL_COUNTS);
  /** By address. */
  readonly endpoints = new Map<string, EndpointShare>();
  readonly #places: Places;
  readonly #others: EndpointShare = newEndpoint();

  /** `limit`: of endpoints that are told apart. */
  constructor(port: PortIdentity | undefined, limit: number) {
    this.port = port;
    this.#places = new Places(limit);
    this.endpoints.set(OTHERS, this.#others);
  }

  /** Adds what a port has counted since the last reading; returns its new connections and failures. */
  count(key: string, port: PortTraffic, increments: Increments): number {
    const unserved = increments.since(
      key,
      OTHERS,
      UNSERVED_COUNTS.map(({ read }) => read(port)),
    );
    addCounts(this.unserved, unserved);
    let activity = unserved.reduce((total, count) => total + count, 0);
    const added = new Map(port.endpoints.map((each) => [each.endpoint, sinceLast(key, each, increments)]));
    const byEndpoint = new Map(Array.from(added, ([address, counts]) => [address, activityOf(counts)]));
    // First, as an endpoint is told of only once it has done something.
    this.giveTotals(byEndpoint);
    for (const [address, counts] of added) {
      activity += byEndpoint.get(address) ?? 0;
      if (counts.length === 0) continue;
      addCounts(this.#endpoint(address).counts, counts.slice(0, ENDPOINT_COUNTS.length));
      addCounts(this.dials, counts.slice(ENDPOINT_COUNTS.length));
    }
    return activity;
  }

  /** Forgets how many connections there were. */
  clearActive(): void {
    for (const endpoint of this.endpoints.values()) endpoint.active = 0;
  }

  /** Adds the connections that a port has now. */
  addActive({ endpoints }: PortTraffic): void {
    for (const { endpoint, active } of endpoints) this.#endpoint(endpoint).active += active;
  }

  /** Takes the endpoints that there are, with what each has done: some get totals of their own, others lose them. */
  giveTotals(activity: ReadonlyMap<string, number>): void {
    this.#places.update(activity);
    for (const address of this.endpoints.keys())
      if (address !== OTHERS && !this.#places.has(address)) this.endpoints.delete(address);
    for (const address of activity.keys())
      if (this.#places.has(address) && !this.endpoints.has(address))
        this.endpoints.set(address, newEndpoint());
  }

  #endpoint(address: string): EndpointShare {
    return this.endpoints.get(address) ?? this.#others;
  }
}

/** What an endpoint has counted since the last reading: `ENDPOINT_COUNTS`, then `dialCounts`; empty if nothing. */
function sinceLast(key: string, traffic: EndpointTraffic, increments: Increments): readonly number[] {
  const counts = [...ENDPOINT_COUNTS.map(({ read }) => read(traffic)), ...dialCounts(traffic)];
  return increments.since(key, traffic.endpoint, counts);
}

function activityOf(counts: readonly number[]): number {
  let activity = 0;
  for (const [index, { counter }] of ENDPOINT_COUNTS.entries())
    if (BUSY.has(counter)) activity += counts[index] ?? 0;
  return activity;
}

/** What makes an endpoint busy. */
const BUSY: ReadonlySet<string | undefined> = new Set(["connections", "failures"]);

function newEndpoint(): EndpointShare {
  return { active: 0, counts: zeros(ENDPOINT_COUNTS.length) };
}

function zeros(length: number): number[] {
  return new Array<number>(length).fill(0);
}
