/** Removes what the mode, ours or upstream's, has made, and nothing of others: their virtual servers stay. */
import { existsSync } from "node:fs";
import { type Change, isNotFound } from "#ipvs-netlink";
import { listAddresses } from "../../kernel/addresses.ts";
import { deleteLink, findLink } from "../../kernel/links.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import { listLinkAddresses, removeLinkAddresses } from "../../kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import { IP_FAMILIES, type IpFamily } from "../../model/types.ts";
import { destroySet, openIpset } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import { type Belongings, type ChainRef, removeFromAllVariants } from "../iptables-chains/remove-chains.ts";
import { findAddresses, findServers, findSets } from "./found.ts";
import { openKernel } from "./kernel.ts";
import { CHAIN, SET_ROLES, setName } from "./names.ts";
import { isOurs } from "./ownership.ts";
import { serverId } from "./plan-servers.ts";
import { JUMPS } from "./rules.ts";
import { parseServerKey } from "./virtual-server.ts";

/** A chain of upstream's that ours do without. */
const OUT_FILTER = "KUBE-IPVS-OUT-FILTER";

const jump = (from: string, to: string, comment: string): JumpRule => ({
  table: "filter",
  from,
  to,
  comment,
  newOnly: false,
});

/** What of the mode can be in iptables; the jumps at the end are only upstream's. */
export const IPVS_CHAINS: Belongings = {
  jumps: [
    ...JUMPS,
    jump("FORWARD", CHAIN.proxyFirewall, "kube-proxy firewall rules"),
    jump("OUTPUT", OUT_FILTER, "kubernetes ipvs access filter"),
  ],
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
  isOnlyOurs: (rule) => rule.includes(" --match-set KUBE-"),
};

/** A chain that both have whenever they run, and no other mode has. */
export const IPVS_TELLTALE: ChainRef = ["nat", CHAIN.nodePort];

/** Removes everything of one family; returns whether there was anything. Rejects as the steps do. */
export async function removeIpvsMode(family: IpFamily): Promise<boolean> {
  const objects = await removeServers(family);
  const chains = await removeFromAllVariants(family, () => IPVS_CHAINS);
  const sets = removeSets(family);
  return objects || chains || sets;
}

/** Removes virtual servers and addresses. A kernel in which IPVS was never used is not made to load it. */
export async function removeServers(family: IpFamily): Promise<boolean> {
  const servers = existsSync("/proc/net/ip_vs") ? await removeVirtualServers(family) : false;
  using links = openRtnetlink();
  const { index, bound } = await findAddresses(links, family);
  if (index === undefined) return servers;
  removeLinkAddresses(links, index, [...bound]);
  return (await removeEmptyDevice(links, index)) || bound.size > 0 || servers;
}

/** Destroys our sets, which no rule may use any more; returns whether there were any. Throws an IpsetError. */
export function removeSets(family: IpFamily): boolean {
  // Asking for sets would make the kernel load their module.
  if (!existsSync("/sys/module/ip_set")) return false;
  using socket = openIpset();
  return SET_ROLES.map((role) => destroySet(socket, setName(family, role))).includes(true);
}

async function removeVirtualServers(family: IpFamily): Promise<boolean> {
  const kernel = openKernel();
  try {
    const { entries } = await findSets(kernel.sets, family);
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
    kernel.ipvs.close();
    kernel.sets.close();
    kernel.links.close();
  }
}

/** The families share the device: the last one takes it away. */
async function removeEmptyDevice(links: NetlinkSocket, index: number): Promise<boolean> {
  for (const family of IP_FAMILIES) {
    if ((await listLinkAddresses(links, index, family)).length > 0) return false;
  }
  return findLink(links, VIRTUAL_DEVICE)?.kind === "dummy" && deleteLink(links, VIRTUAL_DEVICE);
}
