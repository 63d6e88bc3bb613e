/**
 * New connections per service port as totals that only grow, of which a limited number are told apart and the others
 * counted together. Pure.
 */
import type { PortConnections } from "../backends/backend.ts";

/** A service port that is counted by itself. */
export interface OwnTotal {
  readonly port: PortIdentity;
  /** Connections since the port got its own total. */
  readonly total: number;
}

export type PortIdentity = Omit<PortConnections, "connections">;

interface OwnEntry extends OwnTotal {
  total: number;
}

interface Candidate {
  readonly key: string;
  readonly port: PortIdentity;
  /** Connections since the last reading. */
  readonly activity: number;
}

/**
 * The totals of one family, made from successive readings of the kernel's counters.
 *
 * - A port keeps its own total while it exists; free places go to the ports that were busiest since the last reading,
 *   and to idle ones only if there is room for all.
 * - An own total begins at 0 with what is counted after the port got it, so that no connection is in two totals and no
 *   total jumps.
 * - A port that is gone takes its own total along; the rest keeps what it has.
 */
export class ServiceConnections {
  readonly #limit: number;
  /** Connections by port at the last reading; undefined before the first that held any port. */
  #previous: ReadonlyMap<string, number> | undefined;
  readonly #own = new Map<string, OwnEntry>();
  #rest = 0;

  /** `limit`: the greatest number of own totals. */
  constructor(limit: number) {
    this.#limit = limit;
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
    const candidates: Candidate[] = [];
    for (const [key, port] of ports) {
      const activity = increment(previous?.get(key), port.connections);
      const counted = isFirst ? 0 : activity;
      const own = this.#own.get(key);
      if (own === undefined) {
        this.#rest += counted;
        candidates.push({ key, port, activity });
      } else {
        own.total += counted;
      }
    }
    for (const key of this.#own.keys()) if (!ports.has(key)) this.#own.delete(key);
    this.#promote(candidates);
    this.#previous = new Map(Array.from(ports, ([key, { connections }]) => [key, connections]));
  }

  /** Gives the free places to the busiest. A place is kept for long, so it is not given to an idle port by chance. */
  #promote(candidates: readonly Candidate[]): void {
    const free = this.#limit - this.#own.size;
    if (free <= 0) return;
    const chosen =
      candidates.length <= free
        ? candidates
        : candidates
            .filter(({ activity }) => activity > 0)
            .sort((a, b) => b.activity - a.activity)
            .slice(0, free);
    for (const { key, port } of chosen) this.#own.set(key, { port, total: 0 });
  }
}

/** A counter that went back, or was not there, has counted from 0. */
function increment(before: number | undefined, now: number): number {
  return before === undefined || now < before ? now : now - before;
}

/** A port listed twice (a manifest can have two of one name) is one series: its counts are added up. */
function byKey(reading: Iterable<PortConnections>): ReadonlyMap<string, PortConnections> {
  const ports = new Map<string, PortConnections>();
  for (const port of reading) {
    const key = `${port.namespace}/${port.name}/${port.portName}/${port.protocol}`;
    const same = ports.get(key);
    ports.set(key, same ? { ...port, connections: port.connections + same.connections } : port);
  }
  return ports;
}
