/** Masquerading: one chain marks a packet, another gives marked ones the node's address as they leave. */
import { COMMON_CHAIN } from "./names.ts";
import { commentMatch } from "./rule-text.ts";

/** The mark with one bit (0–31) set, as upstream prints it: eight hex digits, e.g. `0x00004000`. */
export function renderMark(bit: number): string {
  return `0x${(2 ** bit).toString(16).padStart(8, "0")}`;
}

/**
 * Whether this iptables has `MASQUERADE --random-fully`, new in 1.6.2.
 * @param version as printed by the program, without `v`, e.g. `1.8.9`
 */
export function hasRandomFully(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major > 1 || (major === 1 && (minor > 6 || (minor === 6 && patch >= 2)));
}

/** What the rules depend on. */
export interface MasqueradeOptions {
  readonly markText: string;
  /** MASQUERADE understands `--random-fully`. */
  readonly randomFully: boolean;
}

/** The rule of KUBE-MARK-MASQ. */
export function markRules({ markText }: MasqueradeOptions): readonly string[] {
  return [`-A ${COMMON_CHAIN.markMasquerade} -j MARK --or-mark ${markText}`];
}

/** The rules of KUBE-POSTROUTING. */
export function postroutingRules({ markText, randomFully }: MasqueradeOptions): readonly string[] {
  const to = `-A ${COMMON_CHAIN.postrouting}`;
  const why = commentMatch("kubernetes service traffic requiring SNAT");
  return [
    `${to} -m mark ! --mark ${markText}/${markText} -j RETURN`,
    // Clears the bit, known to be set here, so that a packet that crosses the stack again is not masqueraded twice.
    `${to} -j MARK --xor-mark ${markText}`,
    `${to} ${why} -j MASQUERADE${randomFully ? " --random-fully" : ""}`,
  ];
}
