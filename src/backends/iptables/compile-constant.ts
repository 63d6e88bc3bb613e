/** The chains all Services share, and the rules in them that no Service contributes. */

import { LOOPBACK_CIDR } from "../iptables-chains/loopback.ts";
import { markRules, postroutingRules } from "../iptables-chains/masquerade.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import { NFACCT_COUNTERS } from "./capabilities.ts";
import type { CompileOptions } from "./compile-options.ts";
import type { Table } from "./jumps.ts";
import { CHAIN } from "./names.ts";

/**
 * Every shared chain of each table, in the order of the restore document, with its constant rules as complete
 * `-A` lines. In nat KUBE-SERVICES these must follow the rules of all Services: the jump to node ports comes last.
 */
export type SharedChains = Readonly<Record<Table, ReadonlyMap<string, readonly string[]>>>;

/** Compiles the shared chains. */
export function compileConstant(options: CompileOptions): SharedChains {
  const filter = new Map<string, readonly string[]>([
    [CHAIN.services, []],
    [CHAIN.externalServices, []],
    [CHAIN.forward, forwardRules(options)],
    [CHAIN.nodePorts, []],
    [CHAIN.proxyFirewall, []],
  ]);
  if (options.localhostNodePorts) filter.set(CHAIN.firewall, [LOCALNET_RULE]);
  const nat = new Map<string, readonly string[]>([
    [CHAIN.services, nodePortJumps(options)],
    [CHAIN.nodePorts, []],
    [CHAIN.postrouting, postroutingRules(options)],
    [CHAIN.markMasquerade, markRules(options)],
  ]);
  return { filter, nat };
}

/**
 * Closes what route_localnet opens: without it a neighbour on the link could reach services bound to 127.0.0.1
 * (kubernetes/kubernetes#90259). State DNAT exempts replies of node ports used through localhost. Kubelet writes the
 * same rule into the same chain, so it must stay equal to kubelet's.
 */
export const LOCALNET_RULE =
  `-A ${CHAIN.firewall} ${commentMatch("block incoming localnet connections")} -d 127.0.0.0/8 ! -s 127.0.0.0/8 ` +
  "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP";

function forwardRules({ markText, conntrackBeLiberal, nfacct }: CompileOptions): readonly string[] {
  const to = `-A ${CHAIN.forward}`;
  const counter = nfacct.ctInvalid ? ` -m nfacct --nfacct-name ${NFACCT_COUNTERS.ctInvalid}` : "";
  const rules = [
    `${to} ${commentMatch("kubernetes forwarding rules")} -m mark --mark ${markText}/${markText} -j ACCEPT`,
    `${to} ${commentMatch("kubernetes forwarding conntrack rule")} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ];
  // A reply that conntrack misjudges would leave un-NATed and be answered with a reset that kills the connection
  // (kubernetes/kubernetes#74839). Liberal tracking judges no packet invalid for its sequence number.
  return conntrackBeLiberal ? rules : [`${to} -m conntrack --ctstate INVALID${counter} -j DROP`, ...rules];
}

function nodePortJumps({ family, localhostNodePorts, nodePortAddresses }: CompileOptions): readonly string[] {
  const head = `-A ${CHAIN.services} ${commentMatch(
    "kubernetes service nodeports; NOTE: this must be the last rule in this chain",
  )}`;
  if (!nodePortAddresses.all) {
    return nodePortAddresses.addresses.map((address) => `${head} -d ${address} -j ${CHAIN.nodePorts}`);
  }
  const notLocalhost = localhostNodePorts ? "" : ` ! -d ${LOOPBACK_CIDR[family]}`;
  return [`${head} -m addrtype --dst-type LOCAL${notLocalhost} -j ${CHAIN.nodePorts}`];
}
