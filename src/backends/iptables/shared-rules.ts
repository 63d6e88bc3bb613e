/** The chains all Services share: what a change adds and drops, and what a full pass has to put right. */

import { repairCanary, repairJumps, rewriteChain } from "../iptables-chains/constant-rules.ts";
import { hasRule, type KernelState, sameDispatch, sameRules } from "../iptables-chains/kernel-state.ts";
import { emptyBlock, NOBODY, type OwnedLine, type RestoreBlock } from "../iptables-chains/restore-block.ts";
import { compileConstant, type SharedChains } from "./compile-constant.ts";
import type { CompileOptions } from "./compile-options.ts";
import { DISPATCH, DISPATCH_FIELDS, type DispatchField, deletion } from "./dispatch.ts";
import { JUMP_RULES, type Table } from "./jumps.ts";
import { CHAIN } from "./names.ts";
import type { ServiceDelta } from "./service-delta.ts";

/** Lines of all Services in one shared chain. */
export type DispatchLines = (field: DispatchField) => Iterable<OwnedLine>;

/** Above this many deletions the chain is written anew: each `-D` compares with every rule of the chain. */
const DELETIONS_BEFORE_REWRITE = 16;

/** The edits that the changes of some Services make to the shared chains of a table. */
export function editShared(
  table: Table,
  deltas: readonly ServiceDelta[],
  linesAfter: DispatchLines,
  options: CompileOptions,
): RestoreBlock {
  const block = emptyBlock(table);
  for (const field of DISPATCH_FIELDS) {
    const { table: home, verb, chain } = DISPATCH[field];
    if (home !== table) continue;
    const dropped = collect(deltas, "drop", field);
    if (dropped.length > DELETIONS_BEFORE_REWRITE) {
      rewrite(block, chain, linesAfter(field), constantRules(compileConstant(options), table, chain));
      continue;
    }
    for (const [line, owner] of dropped) block.rules.push([deletion(line), owner]);
    for (const [line, owner] of collect(deltas, "add", field)) {
      block.rules.push([verb === "-A" ? line : `-I${line.slice(2)}`, owner]);
    }
  }
  return block;
}

function collect(deltas: readonly ServiceDelta[], what: "add" | "drop", field: DispatchField): OwnedLine[] {
  return deltas.flatMap((delta) => (delta[what][field] ?? []).map((line): OwnedLine => [line, delta.key]));
}

function rewrite(
  block: RestoreBlock,
  chain: string,
  lines: Iterable<OwnedLine>,
  last: readonly string[],
): void {
  rewriteChain(block, chain, lines);
  for (const line of last) block.rules.push([line, NOBODY]);
}

function constantRules(shared: SharedChains, table: Table, chain: string): readonly string[] {
  return shared[table].get(chain) ?? [];
}

/** Chains that rules of Services jump to; they must be right before any Service is. */
export function repairHead(kernel: KernelState, options: CompileOptions): RestoreBlock {
  const block = emptyBlock("nat");
  const { nat } = compileConstant(options);
  for (const chain of [CHAIN.markMasquerade, CHAIN.postrouting]) {
    const wanted = nat.get(chain) ?? [];
    if (!sameRules(kernel.nat.get(chain), wanted, kernel.family)) rewrite(block, chain, [], wanted);
  }
  return block;
}

/** What the shared chains of a table lack or hold too much, judged by the kernel's own words. */
export function repairShared(
  table: Table,
  kernel: KernelState,
  dispatch: DispatchLines,
  options: CompileOptions,
): RestoreBlock {
  const block = emptyBlock(table);
  const shared = compileConstant(options);
  const fieldOf = new Map<string, DispatchField>(
    DISPATCH_FIELDS.filter((field) => DISPATCH[field].table === table).map((field) => [
      DISPATCH[field].chain,
      field,
    ]),
  );
  for (const [chain, last] of shared[table]) {
    if (chain === CHAIN.markMasquerade || chain === CHAIN.postrouting || chain === CHAIN.firewall) continue;
    const field = fieldOf.get(chain);
    const lines = field === undefined ? [] : [...dispatch(field)];
    const texts = lines.map(([text]) => text);
    if (!sameDispatch(kernel[table].get(chain), texts, last, kernel.family))
      rewrite(block, chain, lines, last);
  }
  repairCanary(block, kernel);
  if (table === "filter") repairFirewall(block, kernel, shared);
  repairJumps(block, kernel, JUMP_RULES);
  return block;
}

/** KUBE-FIREWALL is shared with kubelet, which may keep rules of its own there: only what is missing is added. */
function repairFirewall(block: RestoreBlock, kernel: KernelState, shared: SharedChains): void {
  const found = kernel.filter.get(CHAIN.firewall);
  if (found === undefined) block.declare.push([CHAIN.firewall, NOBODY]);
  for (const rule of constantRules(shared, "filter", CHAIN.firewall)) {
    if (!hasRule(found, rule, kernel.family)) block.rules.push([rule, NOBODY]);
  }
}

/** The flush detector in the table where the proxy has nothing else. */
export function repairMangle(kernel: KernelState): RestoreBlock {
  const block = emptyBlock("mangle");
  repairCanary(block, kernel);
  return block;
}

/** Number of constant rules in the shared chains of a table. */
export function countConstant(table: Table, options: CompileOptions): number {
  let count = 0;
  for (const rules of compileConstant(options)[table].values()) count += rules.length;
  return count;
}
