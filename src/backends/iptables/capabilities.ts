/** Everything about programs and kernel that changes what is compiled; probed elsewhere, passed in as one value. */

export interface Capabilities {
  /** MASQUERADE understands `--random-fully`. */
  readonly randomFully: boolean;
  /** Sysctl net.netfilter.nf_conntrack_tcp_be_liberal was non-zero when the backend was made. */
  readonly conntrackBeLiberal: boolean;
  /** Which packet counters of NFACCT_COUNTERS exist and can be used in rules. */
  readonly nfacct: { readonly ctInvalid: boolean; readonly localhost: boolean };
}

/** Names of the nfacct counters; monitoring of upstream reads them. */
export const NFACCT_COUNTERS = {
  ctInvalid: "ct_state_invalid_dropped_pkts",
  localhost: "localhost_nps_accepted_pkts",
} as const;

/**
 * Whether this iptables has `MASQUERADE --random-fully`, new in 1.6.2.
 * @param version as printed by the program, without `v`, e.g. `1.8.9`
 */
export function hasRandomFully(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major > 1 || (major === 1 && (minor > 6 || (minor === 6 && patch >= 2)));
}
