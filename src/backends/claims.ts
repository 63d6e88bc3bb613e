/**
 * Who wants what in the kernel. Most things belong to one Service; but two may name the same external IP and port, and
 * many share a cluster IP or an endpoint's address. Each is in the kernel once, as the claimant wants it whose key comes
 * first, so that the outcome does not depend on the order of events. Pure.
 */
import type { ServiceKey } from "../model/types.ts";

/** What a Service wants: `value` is "" where there is nothing to say but that it is there. */
export interface Claim {
  /** A set, a group of sets, or another kind of thing: the name is the mode's own. */
  readonly set: string;
  readonly key: string;
  readonly value: string;
}

/** A claim whose effective value changed; undefined = not claimed. */
export interface ClaimChange {
  readonly set: string;
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** A linked list, sorted by owner; nearly always of one. */
interface Claimant {
  readonly owner: ServiceKey;
  readonly value: string;
  readonly next: Claimant | undefined;
}

export class Claims {
  readonly #sets = new Map<string, Map<string, Claimant>>();
  /** What was touched since the last `takeChanges`, with the value it had. */
  #touched = new Map<string, Map<string, string | undefined>>();

  add(owner: ServiceKey, { set, key, value }: Claim): void {
    const claimants = this.#claimants(set);
    const list = claimants.get(key);
    this.#touch(set, key, list);
    claimants.set(key, insert(without(list, owner), owner, value));
  }

  remove(owner: ServiceKey, { set, key }: Claim): void {
    const claimants = this.#claimants(set);
    const list = claimants.get(key);
    this.#touch(set, key, list);
    const left = without(list, owner);
    if (left === undefined) claimants.delete(key);
    else claimants.set(key, left);
  }

  /** Whose claim is the one that counts; undefined if nobody claims it. */
  ownerOf({ set, key }: Pick<Claim, "set" | "key">): ServiceKey | undefined {
    return this.#sets.get(set)?.get(key)?.owner;
  }

  /** Whether this owner's claim is the one that counts. */
  counts(owner: ServiceKey, claim: Claim): boolean {
    return this.ownerOf(claim) === owner;
  }

  /** What the calls since the last time amount to. */
  takeChanges(): ClaimChange[] {
    const changes: ClaimChange[] = [];
    for (const [set, keys] of this.#touched) {
      for (const [key, before] of keys) {
        const after = this.#sets.get(set)?.get(key)?.value;
        if (before !== after) changes.push({ set, key, before, after });
      }
    }
    this.forgetChanges();
    return changes;
  }

  forgetChanges(): void {
    this.#touched = new Map();
  }

  #claimants(name: string): Map<string, Claimant> {
    let set = this.#sets.get(name);
    if (set === undefined) {
      set = new Map();
      this.#sets.set(name, set);
    }
    return set;
  }

  #touch(set: string, key: string, list: Claimant | undefined): void {
    let keys = this.#touched.get(set);
    if (keys === undefined) {
      keys = new Map();
      this.#touched.set(set, keys);
    }
    if (!keys.has(key)) keys.set(key, list?.value);
  }
}

function insert(list: Claimant | undefined, owner: ServiceKey, value: string): Claimant {
  if (list === undefined || owner < list.owner) return { owner, value, next: list };
  return { ...list, next: insert(list.next, owner, value) };
}

function without(list: Claimant | undefined, owner: ServiceKey): Claimant | undefined {
  if (list === undefined || list.owner === owner) return list?.next;
  return { ...list, next: without(list.next, owner) };
}
