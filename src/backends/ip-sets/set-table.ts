/** The sets that a mode has in one family, and entries of them. Pure. */
import type { SetSpec } from "../../netlink/ipset/requests.ts";

/**
 * Sets by the role they play, in the order in which entries are added; they are removed in the reverse one. What
 * restricts or exempts a Service comes first, so that no packet meets half of it.
 */
export type SetTable<Role extends string> = ReadonlyMap<Role, SetSpec>;

/** An entry of one of the sets. */
export type SetEntry<Role extends string> = readonly [role: Role, entry: string];

/** Entries by set. */
export type EntriesByRole<Role extends string> = Map<Role, string[]>;

/** Files an entry under its set. */
export function file<Role extends string>(entries: EntriesByRole<Role>, [role, entry]: SetEntry<Role>): void {
  const list = entries.get(role);
  if (list === undefined) entries.set(role, [entry]);
  else list.push(entry);
}

/** Entries that all of `more` have and `less` lacks, but for those of some sets. */
export function lackingEntries<Role extends string>(
  more: ReadonlyMap<Role, ReadonlySet<string>>,
  less: ReadonlyMap<Role, ReadonlySet<string>>,
  except: ReadonlySet<Role> = new Set(),
): EntriesByRole<Role> {
  const result: EntriesByRole<Role> = new Map();
  for (const [role, entries] of more) {
    const missing = except.has(role) ? [] : lacking(entries, less.get(role));
    if (missing.length > 0) result.set(role, missing);
  }
  return result;
}

/** What `more` has and `less` lacks. */
export function lacking(more: ReadonlySet<string>, less: ReadonlySet<string> = new Set()): string[] {
  return [...more].filter((each) => !less.has(each));
}

/** Files the entries that one list has and the other lacks, both ways. */
export function compareEntries<Role extends string>(
  before: readonly SetEntry<Role>[],
  after: readonly SetEntry<Role>[],
  { added, removed }: { readonly added: EntriesByRole<Role>; readonly removed: EntriesByRole<Role> },
): void {
  const name = ([role, entry]: SetEntry<Role>): string => `${role} ${entry}`;
  const was = new Map(before.map((entry) => [name(entry), entry]));
  for (const entry of after) if (!was.delete(name(entry))) file(added, entry);
  for (const entry of was.values()) file(removed, entry);
}
