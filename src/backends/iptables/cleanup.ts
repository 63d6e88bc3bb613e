/** Removes everything this mode makes, in the order the kernel allows: jumps, then what they led to. */
import { readFileSync } from "node:fs";
import { IpTables, type IpTablesClient, isBinaryMissing } from "#iptables-promise";
import type { IpFamily } from "../../model/types.ts";
import { BackendError } from "../backend.ts";
import { LOCALNET_RULE } from "./compile-constant.ts";
import { heldByOthers } from "./held-by-others.ts";
import { CLEANUP, type JumpRule, type Table } from "./jump-rules.ts";
import { hasRule, type KernelState } from "./kernel-state.ts";
import { CHAIN, isServiceChain } from "./names.ts";
import { readKernel } from "./read-kernel.ts";
import {
  emptyBlock,
  isEmpty,
  NOBODY,
  type OwnedLine,
  type RestoreBlock,
  RestoreRenderer,
  type RestoreTable,
} from "./restore-block.ts";
import { NFT_CHAINS_PER_COMMIT, removalBlock, removalBlocks } from "./restore-plan.ts";
import { renderJump } from "./shared-rules.ts";

/** Chains that only kubelet makes. */
const KUBELET_CHAINS = ["KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"];

/**
 * Removes our rules and chains of one family; returns whether there were any. A chain that rules of others jump to is left
 * empty, and named by the BackendError that then ends the work. Else rejects with an IpTablesError.
 */
export async function removeEverything(iptables: IpTablesClient, chainsPerCommit: number): Promise<boolean> {
  const before = await readKernel(iptables);
  let changed = await commit(iptables, [detach("filter", before), detach("nat", before)]);
  // Whatever still leads to us from outside is not ours.
  const kernel = changed ? await readKernel(iptables) : before;
  const left: string[] = [];
  for (const table of ["filter", "nat", "mangle"] as const) {
    const { services, shared } = chainsToRemove(table, kernel);
    const ours = new Set([...services, ...shared]);
    const held = heldByOthers(kernel[table], (chain) => ours.has(chain));
    const isFree = (chain: string): boolean => !held.has(chain);
    const kept = [...ours].filter((chain) => held.has(chain));
    left.push(...kept);
    const removed = await commit(iptables, [
      { ...emptyBlock(table), declare: owned(kept) },
      ...removalBlocks(owned(services.filter(isFree)), chainsPerCommit),
      removalBlock(table, owned(shared.filter(isFree))),
    ]);
    changed ||= removed;
  }
  if (left.length > 0) {
    const why = "emptied but not removed, because rules of others jump there";
    throw new BackendError("CHAINS_LEFT", `${why}: ${left.join(", ")}`);
  }
  return changed;
}

async function commit(iptables: IpTablesClient, blocks: readonly RestoreBlock[]): Promise<boolean> {
  const renderer = new RestoreRenderer();
  const texts = blocks.filter((block) => !isEmpty(block)).map((block) => renderer.render(block));
  if (texts.length > 0) await iptables.restore(texts);
  return texts.length > 0;
}

/**
 * Removes our rules and chains of one family from every variant of iptables the host has: a node may have changed from
 * one to the other. Programs that are missing made no rules. All variants are tried before the first error is thrown.
 * Returns whether there was anything to remove.
 */
export async function removeIptablesMode(family: IpFamily): Promise<boolean> {
  let removed = false;
  const errors: unknown[] = [];
  for (const variant of ["default", "nft", "legacy"] as const) {
    // Merely listing a legacy table makes the kernel create it.
    if (variant === "legacy" && !legacyTablesExist(family)) continue;
    try {
      if (await removeEverything(new IpTables({ family, variant }), NFT_CHAINS_PER_COMMIT)) removed = true;
    } catch (error) {
      if (!isBinaryMissing(error)) errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return removed;
}

function legacyTablesExist(family: IpFamily): boolean {
  try {
    return readFileSync(`/proc/net/${family === "IPv4" ? "ip" : "ip6"}_tables_names`, "utf8").trim() !== "";
  } catch {
    return false; // A kernel without iptables-legacy.
  }
}

/** Takes away the jumps and empties the shared chains, so that nothing of ours refers to any of them. */
function detach(table: Table, kernel: KernelState): RestoreBlock {
  const block = emptyBlock(table);
  for (const jump of jumpsOf(table, kernel)) {
    const rule = renderJump(jump);
    for (const found of kernel[table].get(jump.from) ?? []) {
      if (hasRule([found], `-A ${rule}`, kernel.family)) block.rules.push([`-D ${rule}`, NOBODY]);
    }
  }
  for (const chain of CLEANUP.chains[table])
    if (kernel[table].has(chain)) block.declare.push([chain, NOBODY]);
  return block;
}

/** The chains of Services, and those that all share. */
function chainsToRemove(
  table: RestoreTable,
  kernel: KernelState,
): { readonly services: readonly string[]; readonly shared: readonly string[] } {
  const present = [...kernel[table].keys()];
  const names = new Set<string>(CLEANUP.chains[table]);
  if (table === "filter" && isFirewallOurs(kernel)) names.add(CHAIN.firewall);
  return {
    services: table === "nat" ? present.filter(isServiceChain) : [],
    shared: present.filter((chain) => names.has(chain)),
  };
}

function owned(chains: readonly string[]): OwnedLine[] {
  return chains.map((chain) => [chain, NOBODY]);
}

/** Without kubelet, and holding nothing but our own rule, KUBE-FIREWALL was made by us alone. */
function isFirewallOurs(kernel: KernelState): boolean {
  const rules = kernel.filter.get(CHAIN.firewall);
  if (rules === undefined || KUBELET_CHAINS.some((chain) => kernel.mangle.has(chain))) return false;
  return rules.every((rule) => hasRule([rule], LOCALNET_RULE, kernel.family));
}

function jumpsOf(table: Table, kernel: KernelState): readonly JumpRule[] {
  const jumps = isFirewallOurs(kernel) ? [...CLEANUP.jumps, ...CLEANUP.firewallJumps] : CLEANUP.jumps;
  return jumps.filter((jump) => jump.table === table);
}
