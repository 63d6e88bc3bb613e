/** What the table of one family depends on besides the Services themselves. */
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import { familyOf } from "../../model/address.ts";
import type { IpFamily } from "../../model/types.ts";
import type { NodeFactsNow } from "../create-options.ts";
import { type LocalTraffic, localTrafficOf } from "../local-traffic.ts";
import { withoutLoopback } from "../served-addresses.ts";

/** What the rules depend on; another value means another table. */
export interface RuleOptions {
  readonly family: IpFamily;
  /** The bit that marks packets to masquerade. */
  readonly mark: number;
  /** Count the connections of every service port. */
  readonly counters: boolean;
  /** How pods' packets are recognised; undefined = they are not. */
  readonly localTraffic: LocalTraffic | undefined;
  /** Node ports answer on every local address but loopback ones. */
  readonly nodePortsEverywhere: boolean;
}

/** What the elements depend on. */
export interface TableOptions extends RuleOptions {
  /** Masquerade all traffic to cluster IPs, even of pods. */
  readonly masqueradeAll: boolean;
  /** Local addresses on which node ports answer; unused when they do everywhere. */
  readonly nodePortAddresses: readonly string[];
  /** This node's own addresses; a source range that contains one also admits the load-balancer IPs as source. */
  readonly nodeIPs: readonly string[];
  readonly serviceCIDRs: readonly string[];
}

/** Combines configuration and node into the options of a family. */
export function tableOptions(config: ProxyConfig, family: IpFamily, node: NodeFactsNow): TableOptions {
  const chosen = resolveNodePortAddresses(
    config.nodePortAddresses,
    family,
    node.localAddresses.filter((address) => familyOf(address) === family),
    node.nodeIPs[0],
  );
  // The kernel drops packets to loopback addresses that are translated: such node ports could not work.
  const served = withoutLoopback(chosen, false);
  return Object.freeze({
    family,
    mark: 2 ** config.masqueradeBit,
    counters: config.serviceMetricsLimit > 0,
    localTraffic: localTrafficOf(config, family, node.podCIDR),
    nodePortsEverywhere: served.all,
    masqueradeAll: config.masqueradeAll,
    nodePortAddresses: served.all ? [] : served.addresses,
    nodeIPs: node.nodeIPs,
    serviceCIDRs: node.serviceCIDRs,
  });
}
