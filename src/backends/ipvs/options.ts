/** What rules, sets and virtual servers of one family depend on besides the Services themselves. */
import type { SchedulerFlag } from "#ipvs-netlink";
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { isLinkLocal, isLoopback, resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import { familyOf } from "../../model/address.ts";
import type { IpFamily } from "../../model/types.ts";
import type { NodeFactsNow } from "../create-options.ts";
import { renderMark } from "../iptables-chains/masquerade.ts";
import { type LocalTraffic, localTrafficOf } from "../local-traffic.ts";

/** One frozen value for a family; equal options and equal Services give equal kernel objects. */
export interface IpvsOptions {
  readonly family: IpFamily;
  /** The masquerade bit as eight hex digits. */
  readonly markText: string;
  /** MASQUERADE understands `--random-fully`. */
  readonly randomFully: boolean;
  /** Masquerade all traffic to cluster IPs, even of pods. */
  readonly masqueradeAll: boolean;
  /** How pods' packets are recognised; undefined = they are not. */
  readonly localTraffic: LocalTraffic | undefined;
  readonly scheduler: string;
  readonly schedulerFlags: readonly SchedulerFlag[];
  /** Addresses on which node ports have virtual servers; never on loopback, where IPVS cannot serve. */
  readonly nodePortAddresses: readonly string[];
  /** Addresses that the node has on devices other than ours: these need not, and must not, be bound. */
  readonly localAddresses: ReadonlySet<string>;
  /** This node's own addresses; a source range that contains one also admits the load-balancer IPs as source. */
  readonly nodeIPs: readonly string[];
  /** Virtual servers in these networks are never deleted. */
  readonly excludeCIDRs: readonly string[];
}

/** Combines configuration and node into the options of a family. */
export function ipvsOptions(
  config: ProxyConfig,
  family: IpFamily,
  node: NodeFactsNow & { readonly randomFully: boolean },
): IpvsOptions {
  const local = node.localAddresses.filter((address) => familyOf(address) === family);
  const chosen = resolveNodePortAddresses(config.nodePortAddresses, family, local, node.nodeIPs[0]);
  const served = chosen.all ? local : chosen.addresses;
  const { scheduler, excludeCIDRs } = config.ipvs;
  return Object.freeze({
    family,
    markText: renderMark(config.masqueradeBit),
    randomFully: node.randomFully,
    masqueradeAll: config.masqueradeAll,
    localTraffic: localTrafficOf(config, family, node.podCIDR),
    scheduler,
    // As upstream: with Maglev hashing, the connections of one client may go to several endpoints.
    schedulerFlags: scheduler === "mh" ? (["port"] as const) : [],
    nodePortAddresses: [...new Set(served)].filter((ip) => !isLoopback(ip) && !isLinkLocal(ip)).sort(),
    localAddresses: new Set(local),
    nodeIPs: node.nodeIPs,
    excludeCIDRs: excludeCIDRs.filter((cidr) => familyOf(cidr) === family),
  });
}
