/** What the proxy needs of the host besides rules: done once, as root, before anything is programmed. */
import { prepareHost } from "./backends/create.ts";
import type { ProxyConfig } from "./config/proxy-config.ts";
import { loadConntrack } from "./kernel/conntrack.ts";
import { applyConntrackSysctls, conntrackSysctls } from "./kernel/conntrack-sysctls.ts";
import { machineCpuCount } from "./kernel/cpu-count.ts";
import type { SysctlError } from "./kernel/sysctl.ts";
import type { Logger } from "./logging/logger.ts";

/**
 * Sets kernel settings. Throws when the mode cannot work without one; returns those of connection tracking that could not
 * be set, which is no reason to leave the node without a proxy.
 */
export function prepare(config: ProxyConfig, logger: Logger): readonly SysctlError[] {
  try {
    loadConntrack();
  } catch (error) {
    logger.warn({ err: error }, "the kernel has no connection tracking, or does not let us ask");
  }
  const errors = applyConntrackSysctls(conntrackSysctls(config.conntrack, machineCpuCount()));
  for (const error of errors) {
    logger.warn({ err: error, setting: error.setting }, "kernel setting not changed");
  }
  prepareHost(config, logger);
  return errors;
}
