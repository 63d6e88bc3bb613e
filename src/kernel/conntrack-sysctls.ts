/** The connection tracking settings that the configuration asks for. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import { ensureSysctl, readSysctl, SysctlError } from "./sysctl.ts";

/** Above this many entries the per-core product is not followed: big machines would reserve gigabytes. */
const MAX_SCALED_ENTRIES = 1_048_576;

/** A setting to write; `atLeast` leaves a higher value alone. */
export interface ConntrackSysctl {
  readonly setting: string;
  readonly value: number;
  readonly atLeast?: true;
}

/**
 * The settings for this configuration on a machine with `cpuCount` processors, in the order to write them; a zero in
 * the configuration means that its setting is not touched. Timeouts are whole seconds, cut off.
 */
export function conntrackSysctls(
  config: ProxyConfig["conntrack"],
  cpuCount: number,
): readonly ConntrackSysctl[] {
  const settings: ConntrackSysctl[] = [];
  const add = (name: string, value: number): void => {
    settings.push({ setting: `net/netfilter/nf_conntrack_${name}`, value });
  };
  const addTimeout = (name: string, ms: number): void => {
    if (ms > 0) add(name, Math.floor(ms / 1000));
  };

  const max = maxEntries(config, cpuCount);
  if (max > 0) {
    add("max", max);
    // Four entries a bucket, as the kernel itself sizes the table.
    const hashsize = "/sys/module/nf_conntrack/parameters/hashsize";
    settings.push({ setting: hashsize, value: Math.floor(max / 4), atLeast: true });
  }
  addTimeout("tcp_timeout_established", config.tcpEstablishedTimeoutMs);
  addTimeout("tcp_timeout_close_wait", config.tcpCloseWaitTimeoutMs);
  if (config.tcpBeLiberal) add("tcp_be_liberal", 1);
  addTimeout("udp_timeout", config.udpTimeoutMs);
  addTimeout("udp_timeout_stream", config.udpStreamTimeoutMs);
  return settings;
}

/** The product is capped even below a larger `min`, but a `min` above a smaller product may exceed the cap. */
function maxEntries(config: ProxyConfig["conntrack"], cpuCount: number): number {
  if (config.maxPerCore <= 0) return 0;
  const scaled = config.maxPerCore * cpuCount;
  return scaled > MAX_SCALED_ENTRIES ? MAX_SCALED_ENTRIES : Math.max(scaled, config.min);
}

/**
 * Writes what differs and returns the settings that could not be written; one failure does not keep the others from
 * being tried.
 */
export function applyConntrackSysctls(settings: readonly ConntrackSysctl[]): readonly SysctlError[] {
  const errors: SysctlError[] = [];
  for (const { setting, value, atLeast } of settings) {
    try {
      if (atLeast && Number(readSysctl(setting)) >= value) continue;
      ensureSysctl(setting, value);
    } catch (error) {
      if (!(error instanceof SysctlError)) throw error;
      errors.push(error);
    }
  }
  return errors;
}
