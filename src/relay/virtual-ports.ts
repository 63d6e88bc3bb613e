/** All virtual ports, by the addresses that clients connect to. */
import type { Endpoint } from "./endpoint.ts";
import type { Protocol, RelayChanges, VirtualPortSpec } from "./types.ts";
import { VirtualPort } from "./virtual-port.ts";

export class VirtualPorts {
  readonly #affinityEntries: number;
  readonly #byId = new Map<string, VirtualPort>();
  readonly #byDestination = { TCP: new Map<string, VirtualPort>(), UDP: new Map<string, VirtualPort>() };
  /** Taken away, but with connections left. */
  readonly #draining = new Set<VirtualPort>();

  constructor(affinityEntries: number) {
    this.#affinityEntries = affinityEntries;
  }

  /** The virtual port that a destination (a key of `endpointKey`) belongs to. */
  find(protocol: Protocol, destination: string): VirtualPort | undefined {
    return this.#byDestination[protocol].get(destination);
  }

  /** All of them, those that drain included. */
  *all(): Generator<VirtualPort, void> {
    yield* this.#byId.values();
    for (const port of this.#draining) {
      if (!port.wasUsed || port.counters.active + port.endpoints.size === 0) this.#draining.delete(port);
      else yield port;
    }
  }

  /**
   * Applies a change; returns the endpoints that it took away. What cannot be read is left as it was and told to
   * `onError`.
   */
  apply(changes: RelayChanges, now: number, onError: (id: string, error: unknown) => void): Endpoint[] {
    const gone: Endpoint[] = [];
    for (const spec of changes.upsert ?? []) {
      try {
        gone.push(...this.#upsert(spec, now));
      } catch (error) {
        onError(spec.id, error);
      }
    }
    for (const id of changes.remove ?? []) gone.push(...this.#remove(id, now));
    return gone;
  }

  #upsert(spec: VirtualPortSpec, now: number): Endpoint[] {
    const old = this.#byId.get(spec.id);
    if (old !== undefined && old.protocol === spec.protocol) return this.#configure(old, spec, now);
    const port = new VirtualPort(spec.id, spec.protocol);
    const gone = this.#configure(port, spec, now);
    if (old !== undefined) gone.push(...this.#remove(spec.id, now));
    this.#byId.set(spec.id, port);
    return gone;
  }

  #configure(port: VirtualPort, spec: VirtualPortSpec, now: number): Endpoint[] {
    const before = port.destinations;
    const gone = port.configure(spec, this.#affinityEntries, now);
    const table = this.#byDestination[port.protocol];
    this.#leave(port, before);
    for (const destination of port.destinations) table.set(destination, port);
    return gone;
  }

  #remove(id: string, now: number): Endpoint[] {
    const port = this.#byId.get(id);
    if (port === undefined) return [];
    this.#byId.delete(id);
    this.#leave(port, port.destinations);
    this.#draining.add(port);
    return port.remove(now);
  }

  /** Another port may have claimed a destination meanwhile. */
  #leave(port: VirtualPort, destinations: readonly string[]): void {
    const table = this.#byDestination[port.protocol];
    for (const destination of destinations) if (table.get(destination) === port) table.delete(destination);
  }
}
