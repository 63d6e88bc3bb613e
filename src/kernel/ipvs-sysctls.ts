/** The settings that IPVS needs for Services. Those below `vs` belong to the network namespace and come with the module `ip_vs`. */
import { ensureSysctl, SysctlError } from "./sysctl.ts";

/** A setting to write. */
export interface IpvsSysctl {
  readonly setting: string;
  readonly value: number;
  /** For logs and readers: what goes wrong without it. */
  readonly why: string;
  /** Traffic does not work without it, so that a failure should end the start. */
  readonly fatal: boolean;
}

/** What of the configuration decides about settings. */
export interface IpvsSysctlConfig {
  /** Virtual addresses do not answer ARP on the node's other interfaces. */
  readonly strictARP: boolean;
}

/** Versions of the kernel that a setting is for. */
interface KernelRange {
  readonly from: readonly [major: number, minor: number];
  readonly below: readonly [major: number, minor: number];
}

/**
 * Below 4.1 there is no such setting. From 5.9 on the kernel's own value, 1, does what is wanted: a new connection from a
 * port that was used before is balanced anew. On kernels between, 1 dropped its first packet; with 0 it follows the old
 * one, to an endpoint that may be gone by now, which is the lesser evil.
 */
const REUSE_MODE_KERNELS: KernelRange = { from: [4, 1], below: [5, 9] };

/** The settings for a configuration on a kernel (its release, as `uname -r` says it), in the order to write them. */
export function ipvsSysctls({ strictARP }: IpvsSysctlConfig, kernelRelease: string): readonly IpvsSysctl[] {
  const settings: IpvsSysctl[] = [
    {
      setting: "net/ipv4/vs/conntrack",
      value: 1,
      why: "without it connections of IPVS are not masqueraded, and answers from other nodes get lost",
      fatal: true,
    },
  ];
  const add = (setting: string, value: number, why: string): void => {
    settings.push({ setting, value, why, fatal: false });
  };
  if (isWithin(kernelRelease, REUSE_MODE_KERNELS)) {
    add(
      "net/ipv4/vs/conn_reuse_mode",
      0,
      "else this kernel delays connections that reuse a port by a second",
    );
  }
  add("net/ipv4/vs/expire_nodest_conn", 1, "else connections to a removed endpoint hang until they time out");
  add("net/ipv4/vs/expire_quiescent_template", 1, "else session affinity holds on to a leaving endpoint");
  add("net/ipv4/ip_forward", 1, "else packets do not get from and to pods");
  if (strictARP) {
    add("net/ipv4/conf/all/arp_ignore", 1, "else every node answers ARP for the addresses of Services");
    add("net/ipv4/conf/all/arp_announce", 2, "else nodes announce the addresses of Services as theirs");
  }
  return settings;
}

/** A setting that could not be written. */
export interface IpvsSysctlFailure {
  readonly sysctl: IpvsSysctl;
  readonly error: SysctlError;
}

/** Writes what differs and returns what could not be written; one failure does not keep the others from being tried. */
export function applyIpvsSysctls(settings: readonly IpvsSysctl[]): readonly IpvsSysctlFailure[] {
  const failures: IpvsSysctlFailure[] = [];
  for (const sysctl of settings) {
    try {
      ensureSysctl(sysctl.setting, sysctl.value);
    } catch (error) {
      if (!(error instanceof SysctlError)) throw error;
      failures.push({ sysctl, error });
    }
  }
  return failures;
}

/** False too for a release without numbers, of which nothing is known. */
function isWithin(release: string, { from, below }: KernelRange): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release);
  if (match === null) return false;
  const compare = ([major, minor]: readonly [number, number]): number =>
    Number(match[1]) - major || Number(match[2]) - minor;
  return compare(from) >= 0 && compare(below) < 0;
}
