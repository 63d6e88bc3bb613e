/**
 * Finds which Services the kernel will not take, so that they do not hold back the others.
 *
 * iptables-nft names the refused lines, and every line has an owner. iptables-legacy often names only the COMMIT of the
 * table; then the suspects are halved until each culprit stands alone, at about 2·log₂(n) attempts for one culprit.
 */
import type { ServiceKey } from "../../model/types.ts";

/** How one attempt ended. */
export type Attempt =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Empty when the failure could not be pinned on anybody. */
      readonly culprits: readonly ServiceKey[];
    };

/** Applies everything but the given Services. Rejects when the failure has nothing to do with Services. */
export type Try = (excluded: ReadonlySet<ServiceKey>) => Promise<Attempt>;

/** Services that had to be left out for everything else to be accepted, with the reason. */
export type Refusals = ReadonlyMap<ServiceKey, string>;

/** How it all ended. */
export type Outcome = { readonly refusals: Refusals } | { readonly failure: string };

/**
 * Repeats the attempt, leaving out whoever is found to be refused, until it succeeds.
 * @param suspects Services to search when a failure names nobody
 * @returns `failure` when not even leaving out all suspects helps: it is not a Service's
 */
export async function applyWithout(attempt: Try, suspects: readonly ServiceKey[]): Promise<Outcome> {
  const refused = new Map<ServiceKey, string>();
  for (;;) {
    const result = await attempt(new Set(refused.keys()));
    if (result.ok) return { refusals: refused };
    const found = result.culprits.filter((key) => !refused.has(key));
    if (found.length === 0) return searchByHalves(attempt, suspects, refused, result.reason);
    for (const key of found) refused.set(key, result.reason);
  }
}

async function searchByHalves(
  attempt: Try,
  suspects: readonly ServiceKey[],
  refused: Map<ServiceKey, string>,
  reason: string,
): Promise<Outcome> {
  const waiting = new Set(suspects.filter((key) => !refused.has(key)));
  const without = () => new Set([...refused.keys(), ...waiting]);
  const base = await attempt(without());
  if (!base.ok) return { failure: base.reason || reason };
  const groups = [[...waiting]];
  for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
    if (group.length === 0) continue;
    for (const key of group) waiting.delete(key);
    const result = await attempt(without());
    if (result.ok) continue;
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      refused.set(only, result.reason);
      continue;
    }
    for (const key of group) waiting.add(key);
    const half = group.length >> 1;
    groups.push(group.slice(half), group.slice(0, half));
  }
  // The last attempt may have been a failed one.
  const last = await attempt(without());
  return last.ok ? { refusals: refused } : { failure: last.reason };
}
