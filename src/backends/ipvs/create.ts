/** Sets up ipvs mode: the backend of a family, and what the mode needs of the host. */
import { release } from "node:os";
import { IpTables } from "#iptables-promise";
import { Ipvs } from "#ipvs-netlink";
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { applyIpvsSysctls, ipvsSysctls } from "../../kernel/ipvs-sysctls.ts";
import { readGeneration } from "../../kernel/nf-tables.ts";
import type { Logger } from "../../logging/logger.ts";
import type { CreateOptions } from "../create-options.ts";
import { hasRandomFully } from "../iptables-chains/masquerade.ts";
import { IpvsBackend } from "./ipvs-backend.ts";
import { ipvsOptions } from "./options.ts";

/** Makes the backend of one family. Nothing stays changed before its first full pass. */
export function createIpvsBackend({ config, family, nodeFacts }: CreateOptions): IpvsBackend {
  const iptables = new IpTables({ family });
  return new IpvsBackend({
    family,
    iptables,
    scheduler: config.ipvs.scheduler,
    counters: config.serviceMetricsLimit > 0,
    readGeneration,
    ipvsOptions: async () => {
      const { version } = await iptables.version();
      return ipvsOptions(config, family, { ...(await nodeFacts()), randomFully: hasRandomFully(version) });
    },
  });
}

/** Sets kernel settings and timeouts. Throws an IpvsError, or a SysctlError for a setting without which nothing works. */
export function prepareIpvs({ ipvs: wanted }: ProxyConfig, logger: Logger): void {
  // The settings are there only once the module is.
  using ipvs = Ipvs.open();
  for (const { sysctl, error } of applyIpvsSysctls(ipvsSysctls(wanted, release()))) {
    if (sysctl.fatal) throw error;
    logger.warn({ err: error, setting: sysctl.setting, why: sysctl.why }, "kernel setting not changed");
  }
  const seconds = (ms: number): number => Math.floor(ms / 1000);
  ipvs.setTimeouts({
    tcp: seconds(wanted.tcpTimeoutMs),
    tcpFin: seconds(wanted.tcpFinTimeoutMs),
    udp: seconds(wanted.udpTimeoutMs),
  });
}
