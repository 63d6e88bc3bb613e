/** What the rules of one family depend on besides the Services themselves. */
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import { familyOf } from "../../model/address.ts";
import type { IpFamily } from "../../model/types.ts";
import type { NodeFactsNow } from "../create-options.ts";
import { renderMark } from "../iptables-chains/masquerade.ts";
import { type LocalTraffic, localTrafficOf } from "../local-traffic.ts";
import { type ServedAddresses, withoutLoopback } from "../served-addresses.ts";
import type { Capabilities } from "./capabilities.ts";

/** One frozen value for a family; equal options and equal Services give equal rules. */
export interface CompileOptions extends Capabilities {
  readonly family: IpFamily;
  /** The masquerade bit as eight hex digits, e.g. `0x00004000`. */
  readonly markText: string;
  /** Masquerade all traffic to cluster IPs, even of pods. */
  readonly masqueradeAll: boolean;
  /** How pods' packets are recognised; undefined = they are not. */
  readonly localTraffic: LocalTraffic | undefined;
  /** Node ports answer on 127.0.0.0/8; never true for IPv6. */
  readonly localhostNodePorts: boolean;
  readonly nodePortAddresses: ServedAddresses;
  /** This node's own addresses; a source range that contains one also admits the load-balancer IPs as source. */
  readonly nodeIPs: readonly string[];
  /** Comments on the rules of endpoints, which are most rules of a big cluster. */
  readonly comments: boolean;
}

/** What only the running node knows; a cluster IP without rules is nobody's business in this mode. */
export interface NodeFacts extends Omit<NodeFactsNow, "serviceCIDRs"> {
  readonly capabilities: Capabilities;
}

/** Combines configuration and node into the options of a family. */
export function compileOptions(config: ProxyConfig, family: IpFamily, node: NodeFacts): CompileOptions {
  const chosen = resolveNodePortAddresses(
    config.nodePortAddresses,
    family,
    node.localAddresses.filter((address) => familyOf(address) === family),
    node.nodeIPs[0],
  );
  const localhostNodePorts = family === "IPv4" && config.localhostNodePorts && chosen.includesLoopback;
  return Object.freeze({
    ...node.capabilities,
    family,
    markText: renderMark(config.masqueradeBit),
    masqueradeAll: config.masqueradeAll,
    localTraffic: localTrafficOf(config, family, node.podCIDR),
    localhostNodePorts,
    nodePortAddresses: withoutLoopback(chosen, localhostNodePorts),
    nodeIPs: node.nodeIPs,
    comments: true,
  });
}
