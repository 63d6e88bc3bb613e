/** Removes what a mode made in iptables, in the order the kernel allows: jumps, then what they led to. */
import { readFileSync } from "node:fs";
import { IpTables, type IpTablesClient, isBinaryMissing } from "#iptables-promise";
import type { IpFamily } from "../../model/types.ts";
import { BackendError } from "../backend.ts";
import { heldByOthers } from "./held-by-others.ts";
import { type JumpRule, renderJump } from "./jump-rule.ts";
import { hasRule, type KernelState } from "./kernel-state.ts";
import { readKernel } from "./read-kernel.ts";
import {
  emptyBlock,
  isEmpty,
  NOBODY,
  type OwnedLine,
  type RestoreBlock,
  RestoreRenderer,
  type RestoreTable,
  removalBlock,
} from "./restore-block.ts";

/** What a mode has in a kernel. */
export interface Belongings {
  readonly jumps: readonly JumpRule[];
  /** Chains that may refer to each other; emptied before any chain is removed. */
  readonly chains: Readonly<Record<RestoreTable, readonly string[]>>;
  /** Chains that are emptied but stay, because another mode has them too. */
  readonly emptied?: Readonly<Record<RestoreTable, readonly string[]>>;
  /** Whether a rule is one that only this mode writes, wherever it stands. */
  readonly isOnlyOurs?: (rule: string) => boolean;
  /** Many more chains of table nat, in portions that are removed one after the other: callers before callees. */
  readonly natPortions?: readonly (readonly string[])[];
}

/** A chain of a table. */
export type ChainRef = readonly [table: RestoreTable, chain: string];

/** Finds a mode's belongings among everything that is in the kernel. */
export type FindBelongings = (kernel: KernelState) => Belongings;

const TABLES: readonly RestoreTable[] = ["filter", "nat", "mangle"];

/**
 * Removes a mode's rules and chains of one family; returns whether there were any. A chain that rules of others jump to
 * is left empty, and named by the BackendError that then ends the work. Else rejects with an IpTablesError.
 */
export async function removeChains(iptables: IpTablesClient, find: FindBelongings): Promise<boolean> {
  const before = await readKernel(iptables);
  const found = find(before);
  let changed = await commit(
    iptables,
    TABLES.map((table) => detach(table, before, found)),
  );
  // Whatever still leads to us from outside is not ours.
  const kernel = changed ? await readKernel(iptables) : before;
  const { chains, natPortions = [] } = changed ? find(kernel) : found;
  const left: string[] = [];
  for (const table of TABLES) {
    const present = chains[table].filter((chain) => kernel[table].has(chain));
    const portions = table === "nat" ? natPortions : [];
    const ours = new Set([...present, ...portions.flat()]);
    const held = heldByOthers(kernel[table], (chain) => ours.has(chain));
    const kept = [...ours].filter((chain) => held.has(chain));
    left.push(...kept);
    const removals = [...portions, present].map((portion) =>
      removalBlock(table, owned(portion.filter((chain) => !held.has(chain)))),
    );
    const removed = await commit(iptables, [{ ...emptyBlock(table), declare: owned(kept) }, ...removals]);
    changed ||= removed;
  }
  if (left.length > 0) {
    const why = "emptied but not removed, because rules of others jump there";
    throw new BackendError("CHAINS_LEFT", `${why}: ${left.join(", ")}`);
  }
  return changed;
}

/**
 * Removes a mode's rules and chains of one family from every variant of iptables the host has: a node may have changed
 * from one to the other. Programs that are missing made no rules. All variants are tried before the first error is
 * thrown. With a `telltale`, a variant without this chain is not looked at, as reading a big table takes its time.
 * Returns whether there was anything to remove.
 */
export async function removeFromAllVariants(
  family: IpFamily,
  find: FindBelongings,
  telltale?: ChainRef,
): Promise<boolean> {
  let removed = false;
  const errors: unknown[] = [];
  for (const variant of ["default", "nft", "legacy"] as const) {
    // Merely listing a legacy table makes the kernel create it.
    if (variant === "legacy" && !legacyTablesExist(family)) continue;
    const iptables = new IpTables({ family, variant });
    try {
      if (telltale !== undefined && !(await iptables.chainExists(...telltale))) continue;
      if (await removeChains(iptables, find)) removed = true;
    } catch (error) {
      if (!isBinaryMissing(error)) errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return removed;
}

/** Whether the kernel has tables of iptables-legacy in use, found out without making it create one. */
export function legacyTablesExist(family: IpFamily): boolean {
  try {
    return readFileSync(`/proc/net/${family === "IPv4" ? "ip" : "ip6"}_tables_names`, "utf8").trim() !== "";
  } catch {
    return false; // A kernel without iptables-legacy.
  }
}

async function commit(iptables: IpTablesClient, blocks: readonly RestoreBlock[]): Promise<boolean> {
  const renderer = new RestoreRenderer();
  const texts = blocks.filter((block) => !isEmpty(block)).map((block) => renderer.render(block));
  if (texts.length > 0) await iptables.restore(texts);
  return texts.length > 0;
}

/** Takes away the jumps and empties the chains, so that nothing of ours refers to any of them. */
function detach(
  table: RestoreTable,
  kernel: KernelState,
  { jumps, chains, emptied }: Belongings,
): RestoreBlock {
  const block = emptyBlock(table);
  for (const jump of jumps) {
    if (jump.table !== table) continue;
    const rule = renderJump(jump);
    for (const found of kernel[table].get(jump.from) ?? []) {
      if (hasRule([found], `-A ${rule}`, kernel.family)) block.rules.push([`-D ${rule}`, NOBODY]);
    }
  }
  for (const chain of [...chains[table], ...(emptied?.[table] ?? [])])
    if (kernel[table].has(chain)) block.declare.push([chain, NOBODY]);
  return block;
}

function owned(chains: readonly string[]): OwnedLine[] {
  return chains.map((chain) => [chain, NOBODY]);
}
