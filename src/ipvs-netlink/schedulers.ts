/** The schedulers of Linux. */

/** Their names. Which of them a kernel has depends on its version and configuration. */
export const SCHEDULERS = [
  /** Round robin. */
  "rr",
  /** Round robin by weight. */
  "wrr",
  /** Fewest connections. */
  "lc",
  /** Fewest connections by weight. */
  "wlc",
  /** Highest weight that is available. */
  "fo",
  /** Highest weight until it has as many active connections, then the next. */
  "ovf",
  /** By destination address, else fewest connections. */
  "lblc",
  /** As `lblc`, with a set of servers for each destination. */
  "lblcr",
  /** Hash of the destination address. */
  "dh",
  /** Hash of the source address. */
  "sh",
  /** Maglev hash of the source address: few clients move when servers change. */
  "mh",
  /** Shortest expected delay. */
  "sed",
  /** An idle server, else shortest expected delay. */
  "nq",
  /** The less loaded of two chosen at random by weight. */
  "twos",
] as const;
