/** Matches of iptables that look into a set of ipset. Pure. */

/** Matches packets whose parts are in the set: `dst` alone of a set of ports or addresses, `dst,dst` address and port. */
export function matchSet(name: string, parts: "dst" | "dst,dst" | "dst,dst,src" | "src,dst"): string {
  return `-m set --match-set ${name} ${parts}`;
}
