/** What the names in a rule may look like. Each check throws IPTABLES_BAD_RULE and returns nothing else. */
import { IpTablesError } from "./errors.ts";

/** Longest chain name: XT_EXTENSION_MAXNAMELEN (29) less the NUL, in both variants. */
export const MAX_CHAIN_NAME = 28;
/** Longest comment in bytes: XT_MAX_COMMENT_LEN (256) less the NUL. */
export const MAX_COMMENT_BYTES = 255;

// Printable ASCII that needs no quoting and cannot be read as an option or a negation.
const NAME = /^(?![-!])[!#-&(-[\]-~]+$/;

export function badRule(message: string): IpTablesError {
  return new IpTablesError("IPTABLES_BAD_RULE", message);
}

/** Closes a switch over matches or targets: reached only by objects that the types do not allow. */
export function refuseUnknown(value: never): never {
  throw badRule(`unknown match or target ${JSON.stringify(value)}`);
}

function checkName(what: string, name: string, max: number): string {
  if (name.length > max || !NAME.test(name)) {
    throw badRule(
      `${what} ${JSON.stringify(name)}: allowed are 1 to ${max} printable characters without blanks and quotes`,
    );
  }
  return name;
}

/** Returns the name if it can be a chain's. */
export function chainName(name: string): string {
  return checkName("chain name", name, MAX_CHAIN_NAME);
}

/** Returns the name if it can be an ipset's or an nfacct object's (31 characters: IPSET_MAXNAMELEN, NFACCT_NAME_MAX). */
export function objectName(name: string): string {
  return checkName("object name", name, 31);
}

/** Returns the name if it can be a recent list's (XT_RECENT_NAME_LEN 200 less the NUL) and a file under /proc. */
export function recentName(name: string): string {
  if (name.includes("/")) throw badRule(`recent list name ${JSON.stringify(name)}: no slash allowed`);
  return checkName("recent list name", name, 199);
}

/** Returns the name if it can be an interface's or, with a trailing `+`, a prefix of some (IFNAMSIZ 16). */
export function interfaceName(name: string): string {
  if (name.includes("/")) throw badRule(`interface name ${JSON.stringify(name)}: no slash allowed`);
  return checkName("interface name", name, 15);
}
