/** Takes the sets of a mode out of the kernel. */
import { existsSync } from "node:fs";
import { destroySet, openIpset } from "../../netlink/ipset/sets.ts";
import type { SetTable } from "./set-table.ts";

/**
 * Destroys all sets of the table, which no rule may use any more; returns whether there were any. All are tried before the
 * first IpsetError is thrown.
 */
export function removeSets(table: SetTable<string>): boolean {
  // Asking for sets would make the kernel load their module.
  if (!existsSync("/sys/module/ip_set")) return false;
  using socket = openIpset();
  let destroyed = false;
  const errors: unknown[] = [];
  for (const { name } of table.values()) {
    try {
      if (destroySet(socket, name)) destroyed = true;
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return destroyed;
}
