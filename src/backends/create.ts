/** Mode → backend: which modes exist, and what each needs of the host. */
import type { ProxyConfig, ProxyMode } from "../config/proxy-config.ts";
import type { Logger } from "../logging/logger.ts";
import type { Backend } from "./backend.ts";
import type { CreateOptions } from "./create-options.ts";
import { allowLocalhostNodePorts, createIptablesBackend } from "./iptables/create.ts";
import { createIpvsBackend, prepareIpvs } from "./ipvs/create.ts";
import { createNftablesBackend } from "./nftables/create.ts";

/** Makes the backend of a mode for one family; undefined for a mode that this version does not have. */
export function createBackend(mode: ProxyMode, options: CreateOptions): Backend | undefined {
  switch (mode) {
    case "iptables":
      return createIptablesBackend(options);
    case "nftables":
      return createNftablesBackend(options);
    case "ipvs":
      return createIpvsBackend(options);
    default:
      return undefined;
  }
}

/** What a mode needs of the host besides rules, once and as root. Throws when the mode cannot work without it. */
export function prepareHost(config: ProxyConfig, logger: Logger): void {
  if (config.mode === "iptables") allowLocalhostNodePorts(config);
  if (config.mode === "ipvs") prepareIpvs(config, logger);
}
