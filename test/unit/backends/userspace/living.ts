/** Relay and kernel in memory: what differences, applied one after the other, amount to. */
import type { ServiceChange } from "../../../../src/backends/backend.ts";
import type { EntriesByRole } from "../../../../src/backends/ip-sets/set-table.ts";
import { SET_ROLES, type SetRole } from "../../../../src/backends/userspace/names.ts";
import { type Difference, ServiceState } from "../../../../src/backends/userspace/service-state.ts";
import type { VirtualPortSpec } from "../../../../src/relay/types.ts";
import { userspaceOptions } from "../../../support/userspace-options.ts";

export const OPTIONS = userspaceOptions("IPv4", { nodePortAddresses: ["192.168.0.2", "192.168.1.2"] });

/** In which order clients' destinations lead to a virtual port makes no difference, and nobody is told of it. */
export function inOrder(spec: VirtualPortSpec): VirtualPortSpec {
  return { ...spec, destinations: [...spec.destinations].sort() };
}

export class LivingNode {
  readonly state = new ServiceState(OPTIONS);
  readonly ports = new Map<string, VirtualPortSpec>();
  readonly sets = new Map<SetRole, Set<string>>(SET_ROLES.map((role) => [role, new Set()]));

  /** Lives through a batch. Throws where a set already has, or has not, what is added or removed. */
  take(changes: Iterable<ServiceChange>): Difference {
    for (const [key, ports] of changes) this.state.set(key, ports);
    const difference = this.state.takeDifference();
    for (const spec of difference.relay.upsert) this.ports.set(spec.id, spec);
    for (const id of difference.relay.remove) this.ports.delete(id);
    this.#apply("added", difference.added, (set, entry) => !set.has(entry) && set.add(entry));
    this.#apply("removed", difference.removed, (set, entry) => set.delete(entry));
    return difference;
  }

  #apply(
    what: string,
    entries: EntriesByRole<SetRole>,
    apply: (set: Set<string>, entry: string) => unknown,
  ): void {
    for (const [role, list] of entries) {
      const set = this.sets.get(role);
      for (const entry of list)
        if (set === undefined || !apply(set, entry)) throw new Error(`${role} ${entry} is ${what} twice`);
    }
  }

  /** Everything, in an order that does not depend on history. */
  list(): unknown {
    const ports = [...this.ports].map(([id, spec]) => [id, inOrder(spec)] as const);
    return {
      ports: Object.fromEntries(ports.sort(([a], [b]) => (a < b ? -1 : 1))),
      sets: Object.fromEntries([...this.sets].map(([role, set]) => [role, [...set].sort()])),
    };
  }
}
