/** The little of nf_tables that the program needs apart from nftables mode's own table. */
import type { IpFamily } from "../model/types.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { commit, openNftables, readGeneration as read } from "../netlink/nftables/batch.ts";
import * as objects from "../netlink/nftables/objects.ts";
import { listTables } from "../netlink/nftables/read.ts";

/** The number of the ruleset's generation, which every change to any table raises. Throws a NetlinkError. */
export function readGeneration(): number {
  using socket = openNftables();
  return read(socket);
}

/** Whether there is an nftables table of a name; false in a kernel without nf_tables. Rejects with a NetlinkError. */
export async function tableExists(family: IpFamily, name: string): Promise<boolean> {
  try {
    using socket = openNftables();
    return (await listTables(socket, tableFamily(family))).some((table) => table.name === name);
  } catch (error) {
    if (isWithoutNftables(error)) return false;
    throw error;
  }
}

/** Deletes an nftables table with all it holds; false when there is none. Throws a NetlinkError. */
export function deleteTable(family: IpFamily, name: string): boolean {
  using socket = openNftables();
  const table = { family: tableFamily(family), name };
  try {
    commit(socket, `delete table ${name} (${family})`, [objects.deleteTable(table)]);
    return true;
  } catch (error) {
    if (isNetlinkError(error, "ENOENT") || isWithoutNftables(error)) return false;
    throw error;
  }
}

/** How a kernel without nf_tables answers, even after it tried to load its module. */
function isWithoutNftables(error: unknown): boolean {
  return isNetlinkError(error, "EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT");
}

function tableFamily(family: IpFamily): "ip" | "ip6" {
  return family === "IPv4" ? "ip" : "ip6";
}
