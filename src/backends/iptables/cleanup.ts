/** Removes everything this mode makes, in the order the kernel allows: jumps, then what they led to. */
import type { IpTablesClient } from "#iptables-promise";
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
import { removalBlock, removalBlocks } from "./restore-plan.ts";
import { renderJump } from "./shared-rules.ts";

/** Chains that only kubelet makes. */
const KUBELET_CHAINS = ["KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"];

/**
 * Removes our rules and chains of one family. Missing ones are no error. A chain that rules of others jump to is left
 * empty, and named by the BackendError that then ends the work. Else rejects with an IpTablesError.
 */
export async function removeEverything(iptables: IpTablesClient, chainsPerCommit: number): Promise<void> {
  const before = await readKernel(iptables);
  await commit(iptables, [detach("filter", before), detach("nat", before)]);
  // Whatever still leads to us from outside is not ours.
  const kernel = await readKernel(iptables);
  const left: string[] = [];
  for (const table of ["filter", "nat", "mangle"] as const) {
    const { services, shared } = chainsToRemove(table, kernel);
    const ours = new Set([...services, ...shared]);
    const held = heldByOthers(kernel[table], (chain) => ours.has(chain));
    const isFree = (chain: string): boolean => !held.has(chain);
    const kept = [...ours].filter((chain) => held.has(chain));
    left.push(...kept);
    await commit(iptables, [
      { ...emptyBlock(table), declare: owned(kept) },
      ...removalBlocks(owned(services.filter(isFree)), chainsPerCommit),
      removalBlock(table, owned(shared.filter(isFree))),
    ]);
  }
  if (left.length > 0) {
    const why = "emptied but not removed, because rules of others jump there";
    throw new BackendError("CHAINS_LEFT", `${why}: ${left.join(", ")}`);
  }
}

async function commit(iptables: IpTablesClient, blocks: readonly RestoreBlock[]): Promise<void> {
  const renderer = new RestoreRenderer();
  const texts = blocks.filter((block) => !isEmpty(block)).map((block) => renderer.render(block));
  if (texts.length > 0) await iptables.restore(texts);
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
