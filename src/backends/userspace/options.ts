/** What rules, sets and the relay of one family depend on besides the Services themselves. */
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { isLinkLocal, isLoopback, resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import { familyOf } from "../../model/address.ts";
import type { IpFamily } from "../../model/types.ts";
import type { NodeFactsNow } from "../create-options.ts";
import { type LocalTraffic, localTrafficOf } from "../local-traffic.ts";

/** One frozen value for a family. */
export interface UserspaceOptions {
  readonly family: IpFamily;
  /** Where the proxy listens for what comes from networks; the unspecified address of the family = everywhere. */
  readonly listenAddress: string;
  /** How pods' packets are recognised; undefined = they are not. */
  readonly localTraffic: LocalTraffic | undefined;
  /** Addresses on which node ports have portals. */
  readonly nodePortAddresses: readonly string[];
  /** This node's own addresses; a source range that contains one also admits the load-balancer IPs as source. */
  readonly nodeIPs: readonly string[];
  /** Addresses of all interfaces. Answers from these do not come in by an interface, so no rule can catch them. */
  readonly localAddresses: readonly string[];
  /** Marks packets to clients whose address was kept; 0 = this host cannot keep it. */
  readonly keepSourceMark: number;
}

const UNSPECIFIED = { IPv4: "0.0.0.0", IPv6: "::" } as const;

/** Whether the proxy listens on all addresses. */
export function listensEverywhere({
  family,
  listenAddress,
}: Pick<UserspaceOptions, "family" | "listenAddress">): boolean {
  return listenAddress === UNSPECIFIED[family];
}

/** A bit that Kubernetes and common network plugins leave alone, or its neighbour where it is chosen for masquerading. */
export function keepSourceMark({ masqueradeBit }: Pick<ProxyConfig, "masqueradeBit">): number {
  return masqueradeBit === 4 ? 0x20 : 0x10;
}

/** Combines configuration and node into the options of a family. */
export function userspaceOptions(
  config: ProxyConfig,
  family: IpFamily,
  node: NodeFactsNow,
  keepsSource: boolean,
): UserspaceOptions {
  const local = node.localAddresses.filter((address) => familyOf(address) === family);
  const chosen = resolveNodePortAddresses(config.nodePortAddresses, family, local, node.nodeIPs[0]);
  const served = chosen.all ? local : chosen.addresses;
  const isOfFamily = familyOf(config.bindAddress) === family;
  return Object.freeze({
    family,
    listenAddress: isOfFamily ? config.bindAddress : UNSPECIFIED[family],
    localTraffic: localTrafficOf(config, family, node.podCIDR),
    nodePortAddresses: [...new Set(served)].filter((ip) => !isLoopback(ip) && !isLinkLocal(ip)).sort(),
    nodeIPs: node.nodeIPs,
    localAddresses: local,
    keepSourceMark: keepsSource ? keepSourceMark(config) : 0,
  });
}
