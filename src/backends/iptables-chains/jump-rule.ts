/** Rules in the kernel's own chains that lead into ours. */
import type { RestoreTable } from "./restore-block.ts";

/** A rule in a built-in chain that jumps to one of ours. */
export interface JumpRule<T extends RestoreTable = RestoreTable> {
  readonly table: T;
  readonly from: string;
  readonly to: string;
  /** Only packets that begin a flow: these chains hold verdicts on first packets, and INPUT's length costs every packet. */
  readonly newOnly: boolean;
  /** Only packets to addresses of the node itself. Default: all. */
  readonly localOnly?: boolean;
  /** Empty for KUBE-FIREWALL: the rule must equal the one that kubelet writes. */
  readonly comment: string;
}

/** The arguments that follow the chain's name in `iptables -C`, `-I` and `-D`. */
export function jumpArguments(rule: JumpRule): readonly string[] {
  return [
    ...(rule.newOnly ? ["-m", "conntrack", "--ctstate", "NEW"] : []),
    ...(rule.localOnly ? ["-m", "addrtype", "--dst-type", "LOCAL"] : []),
    ...(rule.comment ? ["-m", "comment", "--comment", rule.comment] : []),
    "-j",
    rule.to,
  ];
}

/** A jump rule without its verb: `CHAIN -m … -j TARGET`. */
export function renderJump(jump: JumpRule): string {
  const words = jumpArguments(jump).map((word) => (word.includes(" ") ? `"${word}"` : word));
  return [jump.from, ...words].join(" ");
}
