/** Matches of iptables that look into a set of ipset. Pure. */

/** Matches packets whose parts are in the set: `dst` alone of a set of ports or addresses, `dst,dst` address and port. */
export function matchSet(name: string, parts: "dst" | "dst,dst" | "dst,dst,src" | "src,dst"): string {
  return `-m set --match-set ${name} ${parts}`;
}

const MATCHED = / --match-set (\S+) /g;

/** Whether a rule looks into one of these sets. */
export function usesSet(rule: string, names: ReadonlySet<string>): boolean {
  return [...rule.matchAll(MATCHED)].some(([, name = ""]) => names.has(name));
}
