/**
 * What the program must know of the Services that are in the kernel, besides rules: UDP ports (their flows may have to
 * be forgotten), health-check ports, and policies that leave a Service without local endpoints.
 * Staged while a sync runs, taken over only when it succeeds.
 */
import type { ServiceKey, ServicePort } from "../model/types.ts";

/** A health-check server that has to run. */
export interface HealthCheck {
  readonly port: number;
  /** Distinct addresses of ready endpoints on this node. */
  readonly localEndpoints: number;
}

/** Service ports whose policy is Local and that have endpoints, but none here. */
export interface NoLocalEndpoints {
  readonly internal: number;
  readonly external: number;
}

interface Entry {
  readonly udp: readonly ServicePort[];
  readonly health: HealthCheck | undefined;
  readonly noLocal: NoLocalEndpoints;
}

/** UDP service ports before and after a sync. */
export interface UdpChange {
  readonly previous: readonly ServicePort[];
  readonly current: readonly ServicePort[];
}

export class ServiceLedger {
  readonly #entries = new Map<ServiceKey, Entry>();
  #staged = new Map<ServiceKey, Entry | undefined>();
  #noLocal: NoLocalEndpoints = { internal: 0, external: 0 };
  readonly #health = new Map<ServiceKey, HealthCheck>();

  /** Notes what a Service will be; an empty list means that it is gone. */
  stage(key: ServiceKey, ports: readonly ServicePort[]): void {
    this.#staged.set(key, entryOf(ports));
  }

  /** Notes that every Service not staged is gone. */
  stageRemovalOfOthers(): void {
    for (const key of this.#entries.keys()) if (!this.#staged.has(key)) this.#staged.set(key, undefined);
  }

  /** Forgets what was staged: the sync failed. */
  discard(): void {
    this.#staged.clear();
  }

  /** Takes over what was staged and tells which UDP ports it concerned. */
  commit(): UdpChange {
    const previous: ServicePort[] = [];
    const current: ServicePort[] = [];
    for (const [key, entry] of this.#staged) {
      const old = this.#entries.get(key);
      for (const port of old?.udp ?? []) previous.push(port);
      for (const port of entry?.udp ?? []) current.push(port);
      this.#count(old, entry);
      if (entry?.health === undefined) this.#health.delete(key);
      else this.#health.set(key, entry.health);
      if (entry === undefined) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    this.#staged.clear();
    return { previous, current };
  }

  get noLocalEndpoints(): NoLocalEndpoints {
    return this.#noLocal;
  }

  get healthChecks(): ReadonlyMap<ServiceKey, HealthCheck> {
    return this.#health;
  }

  #count(old: Entry | undefined, entry: Entry | undefined): void {
    this.#noLocal = {
      internal: this.#noLocal.internal + (entry?.noLocal.internal ?? 0) - (old?.noLocal.internal ?? 0),
      external: this.#noLocal.external + (entry?.noLocal.external ?? 0) - (old?.noLocal.external ?? 0),
    };
  }
}

function entryOf(ports: readonly ServicePort[]): Entry | undefined {
  const udp = ports.filter((port) => port.protocol === "UDP");
  const health = healthCheckOf(ports);
  const noLocal = { internal: 0, external: 0 };
  for (const port of ports) {
    if (!port.hasAnyEndpoints || port.localEndpoints.length > 0) continue;
    if (port.internalPolicyLocal) noLocal.internal++;
    // Without an external address there is nobody to miss the local endpoints.
    if (port.externalPolicyLocal && port.externallyAccessible) noLocal.external++;
  }
  if (udp.length === 0 && health === undefined && noLocal.internal + noLocal.external === 0) return undefined;
  return { udp, health, noLocal };
}

function healthCheckOf(ports: readonly ServicePort[]): HealthCheck | undefined {
  const first = ports.find((port) => port.healthCheckNodePort !== 0);
  if (first === undefined) return undefined;
  const addresses = new Set(ports.flatMap((port) => port.localReadyIPs));
  return { port: first.healthCheckNodePort, localEndpoints: addresses.size };
}
