/** The vocabulary of the library: families, tables, and a rule as a list of matches with a target. Types only. */

export type Family = "IPv4" | "IPv6";
export type Table = "filter" | "nat" | "mangle" | "raw" | "security";
/** The two kernel interfaces behind the same command line; a rule set lives in exactly one of them. */
export type Variant = "nft" | "legacy";

export type ConntrackState = "INVALID" | "NEW" | "RELATED" | "ESTABLISHED" | "UNTRACKED" | "SNAT" | "DNAT";

export type AddressType =
  | "UNSPEC"
  | "UNICAST"
  | "LOCAL"
  | "BROADCAST"
  | "ANYCAST"
  | "MULTICAST"
  | "BLACKHOLE"
  | "UNREACHABLE"
  | "PROHIBIT";

/** The answers REJECT can give. Names with `icmp6` exist in IPv6 only, those with `icmp-` in IPv4 only. */
export type RejectWith =
  | "icmp-net-unreachable"
  | "icmp-host-unreachable"
  | "icmp-port-unreachable"
  | "icmp-proto-unreachable"
  | "icmp-net-prohibited"
  | "icmp-host-prohibited"
  | "icmp-admin-prohibited"
  | "icmp6-no-route"
  | "icmp6-adm-prohibited"
  | "icmp6-addr-unreachable"
  | "icmp6-port-unreachable"
  | "tcp-reset";

/** One port, or an inclusive range. */
export type Ports = number | readonly [first: number, last: number];

/**
 * One group of arguments of a rule. Groups are rendered in the order given, so the text of a rule is fully in the
 * caller's hands; iptables itself does not care for the order.
 */
export type Match =
  /** `-m tcp`: loads the port options; optional after a `protocol` match, which loads them too. */
  | { readonly match: "load"; readonly module: "tcp" | "udp" | "sctp" }
  /** `-p tcp`: a lower-case name or a number. */
  | { readonly match: "protocol"; readonly protocol: string; readonly negate?: boolean }
  /** `-s`, `-d`: an address or CIDR in canonical digits (no leading zeros: iptables reads those as octal). */
  | { readonly match: "source" | "destination"; readonly address: string; readonly negate?: boolean }
  /** `--sport`, `--dport`: needs a `protocol` or `load` match in the same rule. */
  | { readonly match: "sourcePort" | "destinationPort"; readonly port: Ports; readonly negate?: boolean }
  /** `-i`, `-o`: a name of at most 15 characters; a trailing `+` makes it a prefix. */
  | { readonly match: "inInterface" | "outInterface"; readonly name: string; readonly negate?: boolean }
  /** Free text of at most 255 bytes without control characters. */
  | { readonly match: "comment"; readonly text: string }
  /** 32-bit packet mark, compared under the mask (all bits when absent). */
  | {
      readonly match: "mark";
      readonly value: number;
      readonly mask?: number | undefined;
      readonly negate?: boolean;
    }
  | {
      readonly match: "conntrackState";
      readonly states: readonly ConntrackState[];
      readonly negate?: boolean;
    }
  | {
      readonly match: "addressType";
      readonly side: "src" | "dst";
      readonly types: readonly AddressType[];
      readonly negate?: boolean;
    }
  /** Matches at random, 0–1. Ten decimals are written; the kernel keeps steps of 2⁻³¹. */
  | { readonly match: "random"; readonly probability: number }
  /** The kernel's list of recently seen source addresses (`/proc/net/xt_recent/NAME`). */
  | {
      readonly match: "recent";
      readonly name: string;
      readonly action: "set" | "rcheck" | "update";
      readonly seconds?: number | undefined;
      /** Forget entries older than `seconds`. */
      readonly reap?: boolean;
      readonly negate?: boolean;
    }
  /** Counts into a named nfacct object, which must exist. */
  | { readonly match: "nfacct"; readonly name: string }
  | {
      readonly match: "bridgePort";
      readonly test: "is-in" | "is-out" | "is-bridged";
      readonly negate?: boolean;
    }
  | {
      readonly match: "bridgeInterface";
      readonly side: "in" | "out";
      readonly name: string;
      readonly negate?: boolean;
    }
  /** Membership in an ipset, which must exist; one flag per dimension of the set. */
  | {
      readonly match: "set";
      readonly name: string;
      readonly flags: readonly ("src" | "dst")[];
      readonly negate?: boolean;
    };

/** What happens to a packet that matches. A rule without a target only counts. */
export type Target =
  | { readonly target: "jump"; readonly chain: string }
  | { readonly target: "ACCEPT" | "DROP" | "RETURN" }
  /** Without `with` the kernel answers "port unreachable". */
  | { readonly target: "REJECT"; readonly with?: RejectWith | undefined }
  /** `address`, `address:port` or `[v6]:port`. */
  | { readonly target: "DNAT"; readonly to: string }
  | { readonly target: "MASQUERADE"; readonly randomFully?: boolean }
  /** `set-xmark` clears the mask's bits and xors the value in; `or` and `xor` take no mask. */
  | {
      readonly target: "MARK";
      readonly operation: "set-xmark";
      readonly value: number;
      readonly mask: number;
    }
  | { readonly target: "MARK"; readonly operation: "or" | "xor"; readonly value: number }
  | { readonly target: "REDIRECT"; readonly toPorts?: Ports | undefined }
  | {
      readonly target: "TPROXY";
      readonly port: number;
      readonly ip?: string | undefined;
      readonly mark?: { readonly value: number; readonly mask: number } | undefined;
    };

export interface Rule {
  readonly matches: readonly Match[];
  readonly target?: Target | undefined;
}

/** A typed rule, or its arguments as the command line takes them. */
export type RuleInput = Rule | readonly string[];
