/**
 * New connections per service port as totals that only grow, of which a limited number are told apart and the others
 * counted together. Pure.
 */
import type { PortConnections, PortIdentity } from "../backends/backend.ts";
import { Places } from "./places.ts";

/** A service port that is counted by itself. */
export interface OwnTotal {
  readonly port: PortIdentity;
  /** Connections since the port got its own total. */
  readonly total: number;
}

interface OwnEntry extends OwnTotal {
  total: number;
}

/**
 * The totals of one family, made from successive readings of the kernel's counters.
 *
 * - A port keeps its own total while it exists; see `Places` for who gets one.
 * - An own total begins at 0 with what is counted after the port got it, so that no connection is in two totals and no
 *   total jumps.
 * - A port that is gone takes its own total along; the rest keeps what it has.
 */
export class ServiceConnections {
  readonly #places: Places;
  /** Connections by port at the last reading; undefined before the first that held any port. */
  #previous: ReadonlyMap<string, number> | undefined;
  readonly #own = new Map<string, OwnEntry>();
  #rest = 0;

  /** `limit`: the greatest number of own totals. */
  constructor(limit: number) {
    this.#places = new Places(limit);
  }

  /** The ports that are counted by themselves, never more than the limit. */
  get own(): Iterable<OwnTotal> {
    return this.#own.values();
  }

  get ownCount(): number {
    return this.#own.size;
  }

  /** Connections of all other ports, and of each port before it got its own total. */
  get rest(): number {
    return this.#rest;
  }

  /** Takes the next reading of all ports. */
  update(reading: Iterable<PortConnections>): void {
    const ports = byKey(reading);
    // The counters outlive the process that reads them: what they had before its first look is no news, and would stand
    // in every graph as a burst. It only tells who is busy.
    const previous = this.#previous;
    const isFirst = previous === undefined;
    if (isFirst && ports.size === 0) return;
    const activity = new Map<string, number>();
    for (const [key, { connections }] of ports) {
      const since = increment(previous?.get(key), connections);
      activity.set(key, since);
      if (!isFirst) this.#count(key, since);
    }
    this.#giveTotals(ports, activity);
    this.#previous = new Map(Array.from(ports, ([key, { connections }]) => [key, connections]));
  }

  #count(key: string, connections: number): void {
    const own = this.#own.get(key);
    if (own === undefined) this.#rest += connections;
    else own.total += connections;
  }

  #giveTotals(ports: ReadonlyMap<string, PortConnections>, activity: ReadonlyMap<string, number>): void {
    this.#places.update(activity);
    for (const key of this.#own.keys()) if (!this.#places.has(key)) this.#own.delete(key);
    for (const [key, port] of ports)
      if (this.#places.has(key) && !this.#own.has(key)) this.#own.set(key, { port, total: 0 });
  }
}

/** Distinguishes a service port from all others. */
export function portKey({ namespace, name, portName, protocol }: PortIdentity): string {
  return `${namespace}/${name}/${portName}/${protocol}`;
}

/** A counter that went back, or was not there, has counted from 0. */
function increment(before: number | undefined, now: number): number {
  return before === undefined || now < before ? now : now - before;
}

/** A port listed twice (a manifest can have two of one name) is one series: its counts are added up. */
function byKey(reading: Iterable<PortConnections>): ReadonlyMap<string, PortConnections> {
  const ports = new Map<string, PortConnections>();
  for (const port of reading) {
    const key = portKey(port);
    const same = ports.get(key);
    ports.set(key, same ? { ...port, connections: port.connections + same.connections } : port);
  }
  return ports;
}
