/** Removes everything this mode makes, in the order the kernel allows: jumps, then what they led to. */
import type { IpTablesClient } from "#iptables-promise";
import { LOCALNET_RULE } from "./compile-constant.ts";
import { CLEANUP, type JumpRule, type Table } from "./jump-rules.ts";
import { hasRule, type KernelState } from "./kernel-state.ts";
import { CHAIN, isServiceChain } from "./names.ts";
import { readKernel } from "./read-kernel.ts";
import {
  emptyBlock,
  isEmpty,
  NOBODY,
  type RestoreBlock,
  RestoreRenderer,
  type RestoreTable,
} from "./restore-block.ts";
import { removalBlocks } from "./restore-plan.ts";
import { renderJump } from "./shared-rules.ts";

/** Chains that only kubelet makes. */
const KUBELET_CHAINS = ["KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT"];

/** Removes our rules and chains of one family. Missing ones are no error. Rejects with an IpTablesError. */
export async function removeEverything(iptables: IpTablesClient, chainsPerCommit: number): Promise<void> {
  const kernel = await readKernel(iptables);
  const renderer = new RestoreRenderer();
  const stale = [...kernel.nat.keys()].filter(isServiceChain).map((chain) => [chain, NOBODY] as const);
  const blocks = [
    detach("filter", kernel),
    detach("nat", kernel),
    ...removalBlocks(stale, chainsPerCommit),
    ...(["filter", "nat", "mangle"] as const).map((table) => dropShared(table, kernel)),
  ].filter((block) => !isEmpty(block));
  if (blocks.length > 0) await iptables.restore(blocks.map((block) => renderer.render(block)));
}

/** Takes away the jumps and empties the shared chains, so that nothing refers to any chain of ours. */
function detach(table: Table, kernel: KernelState): RestoreBlock {
  const block = emptyBlock(table);
  for (const jump of jumpsOf(table, kernel)) {
    const rule = renderJump(jump);
    if (hasRule(kernel[table].get(jump.from), `-A ${rule}`, kernel.family))
      block.rules.push([`-D ${rule}`, NOBODY]);
  }
  for (const chain of CLEANUP.chains[table])
    if (kernel[table].has(chain)) block.declare.push([chain, NOBODY]);
  return block;
}

function dropShared(table: RestoreTable, kernel: KernelState): RestoreBlock {
  const block = emptyBlock(table);
  const chains: readonly string[] = CLEANUP.chains[table];
  const firewall = table === "filter" && isFirewallOurs(kernel) ? [CHAIN.firewall] : [];
  for (const chain of [...chains, ...firewall]) {
    if (!kernel[table].has(chain)) continue;
    block.declare.push([chain, NOBODY]);
    block.remove.push([chain, NOBODY]);
  }
  return block;
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
