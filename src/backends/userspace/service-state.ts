/** What relay and kernel have of every Service: the memory against which changes are compared. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { RelayChanges, VirtualPortSpec } from "../../relay/types.ts";
import { ClaimLedger } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
import { compareEntries, type EntriesByRole, file } from "../ip-sets/set-table.ts";
import {
  compileService,
  DESTINATIONS,
  destinationOf,
  parseDestination,
  type RelayPort,
} from "./compile-service.ts";
import type { SetRole } from "./names.ts";
import type { UserspaceOptions } from "./options.ts";

interface Applied {
  readonly claims: readonly Claim[];
  readonly ports: ReadonlyMap<string, RelayPort>;
}

/** What changes amount to. */
export interface Difference {
  readonly relay: Required<Pick<RelayChanges, "upsert" | "remove">>;
  readonly added: EntriesByRole<SetRole>;
  readonly removed: EntriesByRole<SetRole>;
}

export class ServiceState extends ClaimLedger<Applied> {
  readonly options: UserspaceOptions;
  /** Virtual port → the Service that it belongs to. */
  readonly #owners = new Map<string, ServiceKey>();
  /** Virtual ports that changed since the last `takeDifference`, apart from their destinations. */
  #changed = new Set<string>();

  constructor(options: UserspaceOptions) {
    super();
    this.options = options;
  }

  /** Takes the new state of a Service. */
  set(key: ServiceKey, servicePorts: readonly ServicePort[]): void {
    const { claims, ports: list } = compileService(servicePorts, this.options);
    const ports = new Map(list.map((port) => [port.id, port]));
    const before = this.get(key)?.ports ?? new Map<string, RelayPort>();
    for (const [id, port] of ports) {
      this.#owners.set(id, key);
      if (!isDeepStrictEqual(before.get(id), port)) this.#changed.add(id);
    }
    for (const id of before.keys()) {
      if (ports.has(id)) continue;
      this.#owners.delete(id);
      this.#changed.add(id);
    }
    this.replace(key, { claims, ports });
  }

  /** What the changes since the last call amount to. */
  takeDifference(): Difference {
    const ids = this.#changed;
    this.#changed = new Set();
    const added: EntriesByRole<SetRole> = new Map();
    const removed: EntriesByRole<SetRole> = new Map();
    for (const { set, key, before, after } of this.takeChanges()) {
      if (set === DESTINATIONS) {
        const [old, now] = [before, after].map((value) => value && parseDestination(value));
        for (const each of [old, now]) if (each) ids.add(each.id);
        compareEntries((old || undefined)?.entries ?? [], (now || undefined)?.entries ?? [], {
          added,
          removed,
        });
      } else {
        file(after === undefined ? removed : added, [set as SetRole, key]);
      }
    }
    const upsert: VirtualPortSpec[] = [];
    const remove: string[] = [];
    for (const id of ids) {
      const spec = this.specOf(id);
      if (spec === undefined) remove.push(id);
      else upsert.push(spec);
    }
    return { relay: { upsert, remove }, added, removed };
  }

  /** A virtual port as it should be now; undefined if it should not. */
  specOf(id: string): VirtualPortSpec | undefined {
    const owner = this.#owners.get(id);
    const port = owner === undefined ? undefined : this.get(owner)?.ports.get(id);
    if (owner === undefined || port === undefined) return undefined;
    const destinations: string[] = [];
    for (const { set, key, value } of this.effective(owner)) {
      if (set === DESTINATIONS && parseDestination(value).id === id) destinations.push(destinationOf(key));
    }
    return { ...port, destinations };
  }

  /** All virtual ports, those of Services that others depend on first. */
  *specs(): Generator<VirtualPortSpec> {
    for (const owner of this.owners()) {
      for (const id of this.get(owner)?.ports.keys() ?? []) {
        const spec = this.specOf(id);
        if (spec !== undefined) yield spec;
      }
    }
  }

  /** Entries that should be in the sets. */
  wantedEntries(): ReadonlyMap<SetRole, ReadonlySet<string>> {
    const entries = new Map<SetRole, Set<string>>();
    const add = (role: SetRole, entry: string): void => {
      const set = entries.get(role);
      if (set === undefined) entries.set(role, new Set([entry]));
      else set.add(entry);
    };
    for (const { set, key, value } of this.effectiveClaims()) {
      if (set !== DESTINATIONS) add(set as SetRole, key);
      else for (const [role, entry] of parseDestination(value).entries) add(role, entry);
    }
    return entries;
  }
}
