/** Writes differences to the kernel, in an order in which no packet meets half a Service, and keeps count. */
import { type Change, isAlreadyExists, isNotFound, isUnknownScheduler } from "#ipvs-netlink";
import { addLinkAddresses, removeLinkAddresses } from "../../kernel/virtual-addresses.ts";
import type { IpFamily } from "../../model/types.ts";
import { BackendError } from "../backend.ts";
import type { EntriesByRole, SetTable } from "../ip-sets/set-table.ts";
import { addToSets, removeFromSets } from "../ip-sets/write-entries.ts";
import { ADDRESSES } from "./compile-service.ts";
import type { Difference } from "./difference.ts";
import { Draining } from "./draining.ts";
import type { IpvsKernel } from "./kernel.ts";
import type { SetRole } from "./names.ts";
import { planChange, type ServerOptions } from "./plan-servers.ts";
import { ownerOfEntry, type Refusals } from "./refusals.ts";
import type { ServiceState } from "./service-state.ts";
import { setTable } from "./set-specs.ts";

/** Changes of one virtual server. */
export interface ServerPlan {
  readonly key: string;
  readonly changes: readonly Change[];
}

/** Kinds of objects, for counts. */
export type Counts = Record<"virtual_servers" | "real_servers" | "addresses" | "set_entries", number>;

/** Everything that is ours. */
export interface Inventory {
  readonly servers: ReadonlySet<string>;
  readonly realServers: number;
  readonly addresses: ReadonlySet<string>;
  readonly entries: ReadonlyMap<SetRole, ReadonlySet<string>>;
}

export interface WriterOptions {
  readonly kernel: IpvsKernel;
  readonly family: IpFamily;
  readonly options: ServerOptions;
  readonly state: ServiceState;
  readonly refusals: Refusals;
  /** Number of our device. */
  readonly device: number;
}

export class Writer {
  readonly draining = new Draining();
  /** Objects that are ours. */
  readonly owned = noCounts();
  /** Objects written since `resetWritten`. */
  readonly written = noCounts();
  readonly #at: WriterOptions;
  readonly #sets: SetTable<SetRole>;

  constructor(options: WriterOptions) {
    this.#at = options;
    this.#sets = setTable(options.family);
  }

  /** Writes what changes of claims amount to. Throws a BackendError when the kernel is not as it was left. */
  write(difference: Difference): void {
    const { options } = this.#at;
    const plans = difference.servers.map((change) => ({
      isGone: change.after === undefined,
      plan: { key: change.key, changes: planChange(change, options, this.draining) },
    }));
    const present = plans.filter(({ isGone }) => !isGone).map(({ plan }) => plan);
    const gone = plans.filter(({ isGone }) => isGone).map(({ plan }) => plan);
    this.addEntries(difference.added);
    this.writeServers(present);
    this.bind(difference.bound);
    this.unbind(difference.unbound);
    this.writeServers(gone);
    this.removeEntries(difference.removed);
    this.#account(difference);
  }

  /** Counts everything that will be there after a full pass. */
  own({ servers, realServers, addresses, entries }: Inventory): void {
    this.owned.virtual_servers = servers.size;
    this.owned.real_servers = realServers;
    this.owned.addresses = addresses.size;
    this.owned.set_entries = 0;
    for (const { size } of entries.values()) this.owned.set_entries += size;
  }

  #account({ servers, bound, unbound, added, removed }: Difference): void {
    const { owned } = this;
    for (const { before, after } of servers) {
      owned.virtual_servers += Number(after !== undefined) - Number(before !== undefined);
      owned.real_servers += (after?.endpoints.length ?? 0) - (before?.endpoints.length ?? 0);
    }
    owned.addresses += bound.length - unbound.length;
    owned.set_entries += numberOf(added) - numberOf(removed);
  }

  /** Throws an IpsetError when a set is gone. */
  addEntries(entries: EntriesByRole<SetRole>): void {
    const { kernel, state, refusals } = this.#at;
    const refused = addToSets(kernel.sets, this.#sets, entries);
    for (const [role, error] of refused) refusals.add(ownerOfEntry(state, role, error.entry), error);
    this.written.set_entries += numberOf(entries) - refused.length;
  }

  /** Throws an IpsetError when a set is gone. */
  removeEntries(entries: EntriesByRole<SetRole>): void {
    removeFromSets(this.#at.kernel.sets, this.#sets, entries);
    this.written.set_entries += numberOf(entries);
  }

  /**
   * Writes changes of virtual servers. What the kernel refuses is its Service's to bear. Throws a BackendError when it
   * turns out that somebody else changed virtual servers.
   */
  writeServers(plans: readonly ServerPlan[]): void {
    const { kernel, state, refusals } = this.#at;
    const changes = plans.flatMap(({ key, changes }) => {
      // Without its entries in the sets, a server could be open to the wrong people.
      const isRefused = changes[0]?.change === "addService" && refusals.has(state.ownerOfServer(key));
      return isRefused ? [] : changes.map((change) => ({ key, change }));
    });
    const errors = kernel.ipvs.apply(changes.map(({ change }) => change));
    for (const [i, { key, change }] of changes.entries()) {
      const error = errors[i];
      if (error !== undefined) this.#judge(key, change, error);
      else this.written["destination" in change ? "real_servers" : "virtual_servers"]++;
    }
  }

  #judge(key: string, { change }: Change, error: Error): void {
    const { state, refusals } = this.#at;
    const owner = state.ownerOfServer(key);
    if (refusals.has(owner)) return;
    if (change.startsWith("delete") && isNotFound(error)) return;
    if (isAlreadyExists(error) || (isNotFound(error) && !isUnknownScheduler(error)))
      throw new BackendError("NOT_AS_LEFT", error.message, { cause: error });
    refusals.add(owner, error);
  }

  /** Throws a BackendError when the device is gone. */
  bind(addresses: readonly string[]): void {
    const { kernel, device, state, refusals } = this.#at;
    for (const { address, result, error } of addLinkAddresses(kernel.links, device, addresses)) {
      if (result === "changed") this.written.addresses++;
      if (error === undefined) continue;
      if (error.code === "ENODEV") throw new BackendError("NOT_AS_LEFT", error.message, { cause: error });
      refusals.add(state.ownerOf({ set: ADDRESSES, key: address }), error);
    }
  }

  /** Throws a BackendError when an address stays. */
  unbind(addresses: readonly string[]): void {
    const { kernel, device } = this.#at;
    for (const { result, error } of removeLinkAddresses(kernel.links, device, addresses)) {
      if (result === "changed") this.written.addresses++;
      if (error !== undefined) throw new BackendError("NOT_AS_LEFT", error.message, { cause: error });
    }
  }

  resetWritten(): void {
    Object.assign(this.written, noCounts());
  }
}

function numberOf(entries: EntriesByRole<SetRole>): number {
  let number = 0;
  for (const list of entries.values()) number += list.length;
  return number;
}

export function noCounts(): Counts {
  return { virtual_servers: 0, real_servers: 0, addresses: 0, set_entries: 0 };
}
