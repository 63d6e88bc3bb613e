/** Names of sets: a mode has those of IPv4, from which those of IPv6 follow. Pure. */
import { IP_FAMILIES, type IpFamily } from "../../model/types.ts";

/** The kernel's limit for names of sets, without the terminating NUL (IPSET_MAXNAMELEN). */
const MAX_NAME = 31;

/** What the set of that name is called in a family; IPv6 names are cut, as upstream cuts them. */
export function nameInFamily(family: IpFamily, name: string): string {
  return family === "IPv4" ? name : `KUBE-6-${name.slice("KUBE-".length)}`.slice(0, MAX_NAME);
}

/** All names of a mode's sets, by which rules are known to be its own. */
export function namesInBothFamilies(sets: Readonly<Record<string, string>>): ReadonlySet<string> {
  return new Set(
    IP_FAMILIES.flatMap((family) => Object.values(sets).map((name) => nameInFamily(family, name))),
  );
}
