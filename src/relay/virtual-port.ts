/** A virtual port as the relay holds it. */
import { Affinity } from "./affinity.ts";
import { EndpointList } from "./balancer.ts";
import { type Counters, newCounters } from "./counters.ts";
import { Endpoint } from "./endpoint.ts";
import { parseEndpointKey } from "./socket-address.ts";
import { type Protocol, SOURCE_CLASSES, type SourceClass, type VirtualPortSpec } from "./types.ts";

export class VirtualPort {
  readonly id: string;
  readonly protocol: Protocol;
  /** Keys of the addresses that lead here. */
  destinations: readonly string[] = [];
  proxyProtocol: 0 | 1 | 2 = 0;
  keepSource: boolean | SourceClass = false;
  removed = false;
  /** All endpoints by text, those with connections left from earlier included. */
  readonly endpoints = new Map<string, Endpoint>();
  readonly #lists = new Map<SourceClass, EndpointList>();
  #affinity: Affinity | undefined;
  #counters: Counters | undefined;

  constructor(id: string, protocol: Protocol) {
    this.id = id;
    this.protocol = protocol;
  }

  /** Made when a client comes: most ports of a big cluster have none on this node. */
  get counters(): Counters {
    this.#counters ??= newCounters();
    return this.#counters;
  }

  /** Whether a client ever came. */
  get wasUsed(): boolean {
    return this.#counters !== undefined;
  }

  /**
   * Takes over a specification; returns the endpoints that it takes away. Endpoints that stay keep their state.
   * Throws a RangeError, and changes nothing, when an address cannot be read.
   */
  configure(spec: VirtualPortSpec, affinityEntries: number, now: number): Endpoint[] {
    const destinations = spec.destinations.map(parseEndpointKey);
    const used = new Map<string, Endpoint>();
    for (const source of SOURCE_CLASSES) {
      for (const text of spec.endpoints[source]) {
        if (!used.has(text)) used.set(text, this.endpoints.get(text) ?? new Endpoint(text));
      }
    }
    this.destinations = destinations;
    this.proxyProtocol = spec.proxyProtocol;
    this.keepSource = spec.keepSource;
    this.removed = false;
    this.#setAffinity(spec.affinitySeconds * 1000, affinityEntries);
    const lists = new Map<readonly string[], readonly Endpoint[]>();
    for (const source of SOURCE_CLASSES) {
      const texts = spec.endpoints[source];
      const list = lists.get(texts) ?? [...new Set(texts)].flatMap((text) => used.get(text) ?? []);
      lists.set(texts, list);
      this.#setList(source, list);
    }
    return this.#replaceEndpoints(used, now);
  }

  /** Takes away all endpoints, and returns them. */
  remove(now: number): Endpoint[] {
    this.removed = true;
    this.#lists.clear();
    this.#affinity = undefined;
    return this.#replaceEndpoints(new Map(), now);
  }

  /** Chooses an endpoint that is not among those tried; undefined when there is none. */
  pick(source: SourceClass, client: string, tried: readonly Endpoint[], now: number): Endpoint | undefined {
    const list = this.#lists.get(source);
    if (list === undefined) return undefined;
    const last = this.#affinity?.find(client, now);
    if (last !== undefined && list.has(last) && last.asideUntil <= now && !tried.includes(last)) return last;
    const endpoint = list.pick(tried, now);
    if (endpoint !== undefined) this.#affinity?.remember(client, endpoint, now);
    return endpoint;
  }

  /** Writes down who got the client in the end, when several endpoints were tried. */
  settle(client: string, endpoint: Endpoint, now: number): void {
    this.#affinity?.remember(client, endpoint, now);
  }

  /** Forgets an endpoint that was taken away, once nothing goes to it any more. */
  forget(endpoint: Endpoint): void {
    if (endpoint.removedAt === 0 || endpoint.isBusy) return;
    this.endpoints.delete(endpoint.text);
  }

  #setAffinity(timeoutMs: number, entries: number): void {
    if (timeoutMs === 0) this.#affinity = undefined;
    else if (this.#affinity === undefined) this.#affinity = new Affinity(timeoutMs, entries);
    else this.#affinity.timeoutMs = timeoutMs;
  }

  /** A list that is what it was keeps its turn. */
  #setList(source: SourceClass, endpoints: readonly Endpoint[]): void {
    const old = this.#lists.get(source)?.endpoints ?? [];
    if (old.length === endpoints.length && old.every((endpoint, i) => endpoint === endpoints[i])) return;
    this.#lists.set(source, new EndpointList(endpoints, Math.random()));
  }

  #replaceEndpoints(used: ReadonlyMap<string, Endpoint>, now: number): Endpoint[] {
    const gone: Endpoint[] = [];
    for (const endpoint of this.endpoints.values()) {
      if (used.has(endpoint.text) || endpoint.removedAt > 0) continue;
      endpoint.removedAt = now;
      gone.push(endpoint);
      this.forget(endpoint);
    }
    for (const [text, endpoint] of used) {
      endpoint.removedAt = 0;
      this.endpoints.set(text, endpoint);
    }
    return gone;
  }
}
