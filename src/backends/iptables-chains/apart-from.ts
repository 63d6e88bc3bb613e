/** What of a mode's belongings another mode does not have: they share chains, jumps and their names. Pure. */
import { renderJump } from "./jump-rule.ts";
import type { KernelState } from "./kernel-state.ts";
import type { Belongings } from "./remove-chains.ts";
import type { RestoreTable } from "./restore-block.ts";

const TARGET = / -[jg] (KUBE-\S+)(?: |$)/;

/**
 * Leaves out the chains and jumps that the mode to be kept has as well. A chain of both with rules of the mode
 * that goes is emptied, for the other mode to fill. What goes may itself be apart from a mode already.
 */
export function apartFrom(going: Belongings, kept: Belongings, kernel: KernelState): Belongings {
  const keptJumps = new Set(kept.jumps.map((jump) => `${jump.table} ${renderJump(jump)}`));
  const jumps = going.jumps.filter((jump) => !keptJumps.has(`${jump.table} ${renderJump(jump)}`));
  const chains = {} as Record<RestoreTable, readonly string[]>;
  const emptied = {} as Record<RestoreTable, readonly string[]>;
  for (const table of ["filter", "nat", "mangle"] as const) {
    const common = new Set(kept.chains[table]);
    chains[table] = going.chains[table].filter((chain) => !common.has(chain));
    const goes = new Set([...chains[table], ...(table === "nat" ? (going.natPortions ?? []).flat() : [])]);
    const isOfGoing = (rule: string): boolean =>
      goes.has(TARGET.exec(rule)?.[1] ?? "") || (going.isOnlyOurs?.(rule) ?? false);
    const ofBoth = going.chains[table].filter((chain) => common.has(chain));
    const filled = ofBoth.filter((chain) => kernel[table].get(chain)?.some(isOfGoing));
    emptied[table] = [...(going.emptied?.[table] ?? []), ...filled];
  }
  return { ...going, jumps, chains, emptied };
}
