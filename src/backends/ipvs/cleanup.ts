/** Removes what the mode, ours or upstream's, has made, and nothing of others: their virtual servers stay. */
import { existsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IpTablesClient } from "#iptables-promise";
import { type Change, isNotFound } from "#ipvs-netlink";
import { listAddresses } from "../../kernel/addresses.ts";
import { deleteLink, findLink } from "../../kernel/links.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import { listLinkAddresses, removeLinkAddresses } from "../../kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import type { IpFamily } from "../../model/types.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { findSets } from "../ip-sets/find-sets.ts";
import { removeSets } from "../ip-sets/remove-sets.ts";
import { namesInBothFamilies } from "../ip-sets/set-names.ts";
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import type { KernelState } from "../iptables-chains/kernel-state.ts";
import {
  type Belongings,
  type ChainRef,
  removeChains,
  removeFromAllVariants,
} from "../iptables-chains/remove-chains.ts";
import { usesSet } from "../iptables-chains/set-match.ts";
import { findAddresses, findServers } from "./found.ts";
import { closeKernel, openKernel } from "./kernel.ts";
import { CHAIN, SET } from "./names.ts";
import { isOurs } from "./ownership.ts";
import { serverId } from "./plan-servers.ts";
import { JUMPS } from "./rules.ts";
import { setTable } from "./set-specs.ts";
import { parseServerKey } from "./virtual-server.ts";

const ADDRESSES_PER_TURN = 500;

/** A chain of upstream's that ours do without. */
const OUT_FILTER = "KUBE-IPVS-OUT-FILTER";

const jump = (from: string, to: string, comment: string): JumpRule => ({
  table: "filter",
  from,
  to,
  comment,
  newOnly: false,
});

/** What only upstream's mode has, and what would keep its verdicts beside ours. */
const OBSOLETE: Belongings = {
  jumps: [
    jump("FORWARD", CHAIN.proxyFirewall, "kube-proxy firewall rules"),
    jump("OUTPUT", OUT_FILTER, "kubernetes ipvs access filter"),
  ],
  chains: { nat: [], filter: [OUT_FILTER], mangle: [] },
};

const SET_NAMES = namesInBothFamilies(SET);

/** What of the mode can be in iptables. */
export const IPVS_CHAINS: Belongings = {
  jumps: [...JUMPS, ...OBSOLETE.jumps],
  chains: {
    nat: [
      CHAIN.services,
      CHAIN.loadBalancer,
      CHAIN.nodePort,
      CHAIN.postrouting,
      CHAIN.markMasquerade,
      CHAIN.canary,
    ],
    filter: [
      CHAIN.forward,
      CHAIN.nodePort,
      CHAIN.proxyFirewall,
      CHAIN.sourceRanges,
      CHAIN.ipvsFilter,
      OUT_FILTER,
      CHAIN.canary,
    ],
    mangle: [CHAIN.proxyFirewall, CHAIN.sourceRanges, CHAIN.canary],
  },
  // Sets that are called after portals are those of userspace mode, which has chains of the same names.
  isOnlyOurs: (rule) => usesSet(rule, SET_NAMES),
};

/** A chain that both have whenever they run, and no other mode has. */
export const IPVS_TELLTALE: ChainRef = ["nat", CHAIN.nodePort];

/** Removes the rules that upstream's mode has and ours does not. Rejects as `removeChains` does. */
export async function removeObsolete(iptables: IpTablesClient, { filter }: KernelState): Promise<void> {
  if (filter.has(OUT_FILTER)) await removeChains(iptables, () => OBSOLETE);
}

/** Removes everything of one family. All steps are taken before the first error of theirs is thrown. */
export async function removeIpvsMode(family: IpFamily): Promise<void> {
  const errors: unknown[] = [];
  const steps = [
    () => removeServers(family),
    () => removeFromAllVariants(family, () => IPVS_CHAINS),
    () => removeSets(setTable(family)),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** Removes virtual servers and addresses. A kernel in which IPVS was never used is not made to load it. */
export async function removeServers(family: IpFamily): Promise<boolean> {
  const servers = existsSync("/proc/net/ip_vs") ? await removeVirtualServers(family) : false;
  using links = openRtnetlink();
  const { index, bound } = await findAddresses(links, family);
  if (index === undefined) return servers;
  await unbindAll(links, index, family);
  return bound.size > 0 || servers;
}

async function removeVirtualServers(family: IpFamily): Promise<boolean> {
  const kernel = openKernel();
  try {
    const { entries } = await findSets(kernel.sets, setTable(family));
    const { bound } = await findAddresses(kernel.links, family);
    const { local } = await listAddresses({ exceptLink: VIRTUAL_DEVICE });
    const traces = { entries, bound, localAddresses: new Set(local[family]) };
    const ours = [...(await findServers(kernel, family)).keys()].filter((key) =>
      isOurs(parseServerKey(key), traces),
    );
    const changes = ours.map((key): Change => ({ change: "deleteService", service: serverId(key) }));
    const failure = kernel.ipvs.apply(changes).find((error) => error !== undefined && !isNotFound(error));
    if (failure !== undefined) throw failure;
    return ours.length > 0;
  } finally {
    closeKernel(kernel);
  }
}

/**
 * The families share the device: the last one takes it away, and with it all of its addresses at once. One by one, ten
 * thousand of IPv6 take the kernel many seconds, so the other family gets its turn in between.
 */
async function unbindAll(links: NetlinkSocket, index: number, family: IpFamily): Promise<void> {
  const other = family === "IPv4" ? "IPv6" : "IPv4";
  for (;;) {
    const own = await listLinkAddresses(links, index, family);
    const shared = (await listLinkAddresses(links, index, other)).length > 0;
    if (!shared && findLink(links, VIRTUAL_DEVICE)?.kind === "dummy")
      return void deleteLink(links, VIRTUAL_DEVICE);
    if (own.length === 0) return;
    const outcomes = removeLinkAddresses(links, index, own.slice(0, ADDRESSES_PER_TURN));
    const failed = outcomes.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw failed.error;
    if (outcomes.every(({ result }) => result === "unchanged")) return;
    await nextTurn();
  }
}
