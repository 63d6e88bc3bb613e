/** Chains whose rules no Service changes, and the jumps that lead to them: what a kernel lacks of them. Pure. */
import { type JumpRule, renderJump } from "./jump-rule.ts";
import { hasRule, type KernelState, sameRules } from "./kernel-state.ts";
import { COMMON_CHAIN } from "./names.ts";
import { emptyBlock, NOBODY, type OwnedLine, type RestoreBlock, type RestoreTable } from "./restore-block.ts";

/** Chain → its rules, as complete `-A` lines; a chain stands behind those that it jumps to. */
export type ConstantChains = ReadonlyMap<string, readonly string[]>;

/** Everything that a mode keeps in iptables, if none of it depends on Services. */
export interface ConstantRules {
  readonly chains: Readonly<Record<RestoreTable, ConstantChains>>;
  /** In the order of installation: each is put at the head of its chain, so the last one comes to stand first. */
  readonly jumps: readonly JumpRule[];
}

/** What brings a table to the constant rules; empty when all is there. Rules of others stay where they are. */
export function repairTable(table: RestoreTable, kernel: KernelState, wanted: ConstantRules): RestoreBlock {
  const block = emptyBlock(table);
  for (const [chain, rules] of wanted.chains[table]) {
    if (!sameRules(kernel[table].get(chain), rules, kernel.family))
      rewriteChain(
        block,
        chain,
        rules.map((rule): OwnedLine => [rule, NOBODY]),
      );
  }
  repairCanary(block, kernel);
  repairJumps(block, kernel, wanted.jumps);
  return block;
}

/** The first thing that a kernel lacks of the constant rules, or has otherwise, in words; undefined if all is there. */
export function constantDrift(kernel: KernelState, wanted: ConstantRules): string | undefined {
  for (const table of ["nat", "filter", "mangle"] as const) {
    for (const [chain, rules] of wanted.chains[table]) {
      const found = kernel[table].get(chain);
      if (!sameRules(found, rules, kernel.family))
        return `table ${table}: chain ${chain} ${found === undefined ? "is gone" : "has other rules"}`;
    }
  }
  const lost = wanted.jumps.find((jump) => !hasJump(kernel, jump));
  return lost && `table ${lost.table}: chain ${lost.from} has lost its rule for ${lost.to}`;
}

function hasJump(kernel: KernelState, jump: JumpRule): boolean {
  return hasRule(kernel[jump.table].get(jump.from), `-A ${renderJump(jump)}`, kernel.family);
}

/** Replaces the whole content of a chain. */
export function rewriteChain(block: RestoreBlock, chain: string, lines: Iterable<OwnedLine>): void {
  block.declare.push([chain, NOBODY]);
  for (const line of lines) block.rules.push(line);
}

/** The flush detector. */
export function repairCanary(block: RestoreBlock, kernel: KernelState): void {
  if (!kernel[block.table].has(COMMON_CHAIN.canary)) block.declare.push([COMMON_CHAIN.canary, NOBODY]);
}

/** Puts the jumps of the block's table that are missing, wherever others may stand by now, at the head of their chains. */
export function repairJumps(block: RestoreBlock, kernel: KernelState, jumps: readonly JumpRule[]): void {
  for (const jump of jumps) {
    if (jump.table !== block.table) continue;
    if (!hasJump(kernel, jump)) block.rules.push([`-I ${renderJump(jump)}`, NOBODY]);
  }
}
