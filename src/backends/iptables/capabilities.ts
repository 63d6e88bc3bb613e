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
