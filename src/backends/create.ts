/** Mode → backend: the one place that knows which modes exist. */
import type { ProxyConfig, ProxyMode } from "../config/proxy-config.ts";
import { deleteTable } from "../kernel/nf-tables.ts";
import type { Logger } from "../logging/logger.ts";
import { IP_FAMILIES } from "../model/types.ts";
import type { Backend } from "./backend.ts";
import { allowLocalhostNodePorts, type CreateOptions, createIptablesBackend } from "./iptables/create.ts";

export { removeIptablesMode } from "./iptables/cleanup.ts";

/** The table that upstream's nftables mode keeps in each family. */
const NFTABLES_TABLE = "kube-proxy";

/** Makes the backend of a mode for one family; undefined for a mode that this version does not have. */
export function createBackend(mode: ProxyMode, options: CreateOptions): Backend | undefined {
  return mode === "iptables" ? createIptablesBackend(options) : undefined;
}

/** What a mode needs of the host besides rules, once and as root. Throws when the mode cannot work without it. */
export function prepareHost(config: ProxyConfig): void {
  if (config.mode === "iptables") allowLocalhostNodePorts(config);
}

/** Removes what a node that ran nftables mode before has left: its rules would answer before ours do. */
export function removeNftablesMode(logger: Logger): void {
  for (const family of IP_FAMILIES) {
    if (deleteTable(family, NFTABLES_TABLE)) logger.info({ family }, "removed the table of nftables mode");
  }
}
