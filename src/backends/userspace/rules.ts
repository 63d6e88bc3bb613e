/**
 * The rules that bring clients to the proxy. They are constant: Services are entries of the sets that they look into. All
 * who come from one kind of source share a port of ours; where they wanted to go, connection tracking knows.
 */

import { joinHostPort } from "../../model/address.ts";
import type { ConstantRules } from "../iptables-chains/constant-rules.ts";
import { firewallChains } from "../iptables-chains/firewall-chains.ts";
import type { JumpRule } from "../iptables-chains/jump-rule.ts";
import { renderLocalTraffic } from "../iptables-chains/local-traffic.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import { matchSet } from "../iptables-chains/set-match.ts";
import { CHAIN, setName } from "./names.ts";
import { listensEverywhere, type UserspaceOptions } from "./options.ts";

/** Ports that the proxy listens on, by kind of source. */
export interface PortsOfProtocol {
  readonly pod: number;
  readonly outside: number;
  readonly node: number;
}
export type RelayPorts = Readonly<Record<"TCP" | "UDP", PortsOfProtocol>>;

/** What the rules depend on. */
export type RuleOptions = Pick<
  UserspaceOptions,
  "family" | "listenAddress" | "localTraffic" | "keepSourceMark"
>;

const PORTALS = "handle ClusterIPs; NOTE: this must be before the NodePort rules";
const SERVICES = "kubernetes service portals";
const FIREWALL = "kube-proxy firewall rules";

/** The jumps, in the order of installation. */
export const JUMPS: readonly JumpRule[] = (
  [
    ["mangle", "PREROUTING", CHAIN.proxyFirewall, FIREWALL],
    ["mangle", "OUTPUT", CHAIN.proxyFirewall, FIREWALL],
    ["mangle", "PREROUTING", CHAIN.keepSource, "answers to connections that keep the address of the client"],
    ["nat", "PREROUTING", CHAIN.portalsContainer, PORTALS],
    ["nat", "OUTPUT", CHAIN.portalsHost, PORTALS],
    ["filter", "INPUT", CHAIN.services, SERVICES],
    ["filter", "FORWARD", CHAIN.services, SERVICES],
    ["filter", "OUTPUT", CHAIN.services, SERVICES],
    ["filter", "INPUT", CHAIN.nonLocal, "Ensure that non-local NodePort traffic can flow"],
  ] as const
).map(([table, from, to, comment]) => ({ table, from, to, comment, newOnly: false }));

/** Compiles everything that the mode keeps in iptables. */
export function constantRules(options: RuleOptions, ports: RelayPorts): ConstantRules {
  const { family, localTraffic } = options;
  const firewall = firewallChains((set) => setName(family, set), localTraffic);
  return {
    jumps: JUMPS,
    chains: {
      mangle: new Map([...firewall, [CHAIN.keepSource, keepSourceRules(options)]]),
      nat: new Map([
        [CHAIN.portalsContainer, containerRules(options, ports)],
        [CHAIN.portalsHost, hostRules(options, ports)],
      ]),
      filter: new Map([
        [CHAIN.services, [refuseRule(options)]],
        [CHAIN.nonLocal, [healthCheckRule(options), ...guardRules(options, ports)]],
      ]),
    },
  };
}

/** Such answers are for this node, though they are addressed to the client: their mark leads to a route that says so. */
function keepSourceRules({ keepSourceMark }: RuleOptions): readonly string[] {
  return keepSourceMark === 0 ? [] : [`-A ${CHAIN.keepSource} ${markSpec(keepSourceMark)}`];
}

/** The arguments of the rule. Only the relay's own sockets, and such as want the same, are transparent. */
export function markSpec(mark: number): string {
  const bits = `0x${mark.toString(16)}`;
  return `-p tcp -m socket --transparent -j MARK --set-xmark ${bits}/${bits}`;
}

/** From networks: pods and others apart, as policy Local treats them differently. */
function containerRules(options: RuleOptions, ports: RelayPorts): readonly string[] {
  const { family, localTraffic } = options;
  return protocolsOf(ports).flatMap(([protocol, { pod, outside }]) => {
    const head = `-A ${CHAIN.portalsContainer} -p ${protocol} ${matchSet(setName(family, "portals"), "dst,dst")}`;
    const pods =
      localTraffic === undefined
        ? []
        : [`${head} ${renderLocalTraffic(localTraffic)} ${target(options, pod)}`];
    return [...pods, `${head} ${target(options, outside)}`];
  });
}

/** Without an address of its own to listen on, the kernel sends them to that of the interface they came in by. */
function target(options: RuleOptions, port: number): string {
  if (listensEverywhere(options)) return `-j REDIRECT --to-ports ${port}`;
  return `-j DNAT --to-destination ${joinHostPort(options.listenAddress, port)}`;
}

/** From the node itself, to loopback: nobody else comes there. */
function hostRules({ family }: RuleOptions, ports: RelayPorts): readonly string[] {
  return protocolsOf(ports).map(([protocol, { node }]) => {
    const match = `-p ${protocol} ${matchSet(setName(family, "portals"), "dst,dst")}`;
    return `-A ${CHAIN.portalsHost} ${match} -j REDIRECT --to-ports ${node}`;
  });
}

function refuseRule({ family }: RuleOptions): string {
  const match = matchSet(setName(family, "noEndpoints"), "dst,dst");
  return `-A ${CHAIN.services} ${commentMatch("no endpoints")} ${match} -m conntrack --ctstate NEW -j REJECT`;
}

/** The ports of health-check servers are open whatever the host's own firewall says. */
function healthCheckRule({ family }: RuleOptions): string {
  const match = matchSet(setName(family, "healthCheckNodePort"), "dst");
  return `-A ${CHAIN.nonLocal} ${commentMatch("Kubernetes health check node port")} -p tcp ${match} -j ACCEPT`;
}

/** Whom our rules sent may use our ports, whatever the host's own firewall says, and nobody else. */
function guardRules({ family }: RuleOptions, ports: RelayPorts): readonly string[] {
  // In full, as the tools print it: rules with multiport are compared word by word.
  const reject = `REJECT --reject-with ${family === "IPv4" ? "icmp" : "icmp6"}-port-unreachable`;
  return protocolsOf(ports).flatMap(([protocol, { pod, outside, node }]) => {
    const head = `-A ${CHAIN.nonLocal} -p ${protocol} -m multiport --dports ${pod},${outside},${node}`;
    return [
      `${head} -m conntrack --ctstate DNAT -j ACCEPT`,
      `${head} -m conntrack --ctstate NEW -j ${reject}`,
    ];
  });
}

function protocolsOf(ports: RelayPorts): (readonly ["tcp" | "udp", PortsOfProtocol])[] {
  return [
    ["tcp", ports.TCP],
    ["udp", ports.UDP],
  ];
}
