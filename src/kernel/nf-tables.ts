/** The little of nf_tables that the program needs apart from nftables mode's own table. */
import type { IpFamily } from "../model/types.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { commit, openNftables, readGeneration as read } from "../netlink/nftables/batch.ts";
import * as objects from "../netlink/nftables/objects.ts";

/** The number of the ruleset's generation, which every change to any table raises. Throws a NetlinkError. */
export function readGeneration(): number {
  using socket = openNftables();
  return read(socket);
}

/** Deletes an nftables table with all it holds; false when there is none. Throws a NetlinkError. */
export function deleteTable(family: IpFamily, name: string): boolean {
  using socket = openNftables();
  const table = { family: family === "IPv4" ? "ip" : "ip6", name } as const;
  try {
    commit(socket, `delete table ${name} (${family})`, [objects.deleteTable(table)]);
    return true;
  } catch (error) {
    // The last three: a kernel without nf_tables, even after it tried to load its module.
    if (isNetlinkError(error, "ENOENT", "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT")) return false;
    throw error;
  }
}
