/** What every owner claims now, and what a change of it amounts to. Pure. */
import type { ServiceKey } from "../model/types.ts";
import { type Claim, type ClaimChange, Claims } from "./claims.ts";
import { isUrgent } from "./urgent.ts";

/** Owner of what no Service owns; sorts before every Service. */
export const NO_SERVICE = "";

/** `Entry` is what a mode remembers of an owner besides its claims. */
export class ClaimLedger<Entry extends { readonly claims: readonly Claim[] }> {
  readonly #entries = new Map<ServiceKey, Entry>();
  readonly #claims = new Claims();

  /** Replaces all that an owner claims; one that claims nothing is forgotten. */
  replace(owner: ServiceKey, next: Entry): void {
    const kept = new Map<string, Claim>();
    for (const claim of this.#entries.get(owner)?.claims ?? []) kept.set(nameOf(claim), claim);
    for (const claim of next.claims) {
      const old = kept.get(nameOf(claim));
      kept.delete(nameOf(claim));
      if (old?.value !== claim.value) this.#claims.add(owner, claim);
    }
    for (const claim of kept.values()) this.#claims.remove(owner, claim);
    if (next.claims.length > 0) this.#entries.set(owner, next);
    else this.#entries.delete(owner);
  }

  get(owner: ServiceKey): Entry | undefined {
    return this.#entries.get(owner);
  }

  entries(): Iterable<readonly [ServiceKey, Entry]> {
    return this.#entries;
  }

  /** All changes since the last call. */
  takeChanges(): ClaimChange[] {
    return this.#claims.takeChanges();
  }

  /** Every owner, those that other Services depend on first. */
  owners(): ServiceKey[] {
    const keys = [...this.#entries.keys()];
    const comesFirst = (key: ServiceKey): boolean => key === NO_SERVICE || isUrgent(key);
    return [...keys.filter(comesFirst), ...keys.filter((key) => !comesFirst(key))];
  }

  /** Whose claim is the one that counts; undefined if nobody claims it. */
  ownerOf(claim: Pick<Claim, "set" | "key">): ServiceKey | undefined {
    return this.#claims.ownerOf(claim);
  }

  /** Whether this owner's claim is the one that counts. */
  counts(owner: ServiceKey, claim: Claim): boolean {
    return this.#claims.counts(owner, claim);
  }

  /** The owner's claims that count: no other owner comes before it. */
  *effective(owner: ServiceKey): Generator<Claim> {
    for (const claim of this.#entries.get(owner)?.claims ?? []) {
      if (this.#claims.counts(owner, claim)) yield claim;
    }
  }

  /** All claims that count. */
  *effectiveClaims(): Generator<Claim> {
    for (const owner of this.#entries.keys()) yield* this.effective(owner);
  }
}

/** Claims without those that stand there already; the first of a name counts. */
export function uniqueClaims(claims: readonly Claim[]): readonly Claim[] {
  const names = new Set<string>();
  return claims.filter((claim) => {
    const name = nameOf(claim);
    if (names.has(name)) return false;
    names.add(name);
    return true;
  });
}

function nameOf({ set, key }: Claim): string {
  return `${set} ${key}`;
}
