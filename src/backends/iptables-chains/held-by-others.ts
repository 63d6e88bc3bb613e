/** Chains of ours that rules of somebody else jump to: they can be emptied, but the kernel does not let them go. */
import type { ChainRules } from "./kernel-state.ts";

const JUMP = / -[jg] (KUBE-\S+)$/;

/** Targets of the jumps in all chains of a table that are not ours. */
export function heldByOthers(chains: ChainRules, isOurs: (chain: string) => boolean): ReadonlySet<string> {
  const held = new Set<string>();
  for (const [chain, rules] of chains) {
    if (isOurs(chain)) continue;
    for (const rule of rules) {
      const target = JUMP.exec(rule)?.[1];
      if (target !== undefined) held.add(target);
    }
  }
  return held;
}
