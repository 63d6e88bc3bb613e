/** Removes what modes leave on a node: before another mode starts, and when the proxy is to go for good. */
import type { ProxyMode } from "../config/proxy-config.ts";
import { deleteTable } from "../kernel/nf-tables.ts";
import type { Logger } from "../logging/logger.ts";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";
import { removeIptablesMode } from "./iptables/cleanup.ts";

/** Removes a mode's objects of one family, whoever made them; returns whether there were any. */
type Remover = (family: IpFamily) => boolean | Promise<boolean>;

/** The table that nftables mode, ours or upstream's, keeps in each family. */
const NFTABLES_TABLE = "kube-proxy";

const REMOVERS: ReadonlyMap<ProxyMode, Remover> = new Map<ProxyMode, Remover>([
  ["nftables", (family) => deleteTable(family, NFTABLES_TABLE)],
  ["iptables", removeIptablesMode],
]);

/**
 * Removes the rules of every mode except one, in both families: they would answer before that mode's own do. What is
 * missing is no error. Does not reject: failures are logged, and the number of them is returned.
 */
export async function removeLeftovers(kept: ProxyMode | undefined, logger: Logger): Promise<number> {
  let failures = 0;
  const remove = async (mode: ProxyMode, remover: Remover, family: IpFamily): Promise<void> => {
    try {
      if (await remover(family)) logger.info({ mode, family }, "removed the rules of a mode");
    } catch (error) {
      failures++;
      logger.error({ err: error, mode, family }, "could not remove all rules of a mode");
    }
  };
  const others = [...REMOVERS].filter(([mode]) => mode !== kept);
  await Promise.all(
    others.flatMap(([mode, remover]) => IP_FAMILIES.map((family) => remove(mode, remover, family))),
  );
  return failures;
}
