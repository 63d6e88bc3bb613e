/** Mode → backend: which modes exist, and what each needs of the host. */
import type { ProxyConfig, ProxyMode } from "../config/proxy-config.ts";
import type { Logger } from "../logging/logger.ts";
import type { Backend } from "./backend.ts";
import type { CreateOptions } from "./create-options.ts";
import { allowLocalhostNodePorts, createIptablesBackend } from "./iptables/create.ts";
import { createIpvsBackend, prepareIpvs } from "./ipvs/create.ts";
import { createNftablesBackend } from "./nftables/create.ts";
import { createUserspaceBackend } from "./userspace/create.ts";

/** Makes the backend of a mode for one family. */
export function createBackend(mode: ProxyMode, options: CreateOptions): Backend {
  switch (mode) {
    case "iptables":
      return createIptablesBackend(options);
    case "nftables":
      return createNftablesBackend(options);
    case "ipvs":
      return createIpvsBackend(options);
    case "userspace":
      return createUserspaceBackend(options);
  }
}

/** What a mode needs of the host besides rules, once and as root. Throws when the mode cannot work without it. */
export function prepareHost(config: ProxyConfig, logger: Logger): void {
  if (config.mode === "iptables") allowLocalhostNodePorts(config);
  if (config.mode === "ipvs") prepareIpvs(config, logger);
}
