/** The chains of table nat that one service port has to itself. */

import { joinHostPort } from "../../model/address.ts";
import type { Endpoint } from "../../model/types.ts";
import { admitsNode, masqueradedAtClusterIP } from "../decisions.ts";
import { renderLocalTraffic } from "../iptables-chains/local-traffic.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import type { PortContext } from "./compile-port.ts";
import { CHAIN, endpointChain } from "./names.ts";

/** KUBE-EXT-: every packet for an external destination. */
export function addExternalChain({ port, options, out, chains, hasExternal }: PortContext): void {
  if (!port.hasAnyEndpoints || !port.externallyAccessible) return;
  const head = `-A ${chains.external}`;
  const what = `${port.label} external destinations`;
  if (!port.externalPolicyLocal) {
    out.chains.set(chains.external, [
      `${head} ${commentMatch(`masquerade traffic for ${what}`)} -j ${CHAIN.markMasquerade}`,
      `${head} -j ${chains.cluster}`,
    ]);
    return;
  }
  // Pods and the node itself get the answer they would get by way of a load balancer: all endpoints.
  const rules: string[] = [];
  if (options.localTraffic !== undefined) {
    const comment = commentMatch(`pod traffic for ${what}`);
    rules.push(`${head} ${comment} ${renderLocalTraffic(options.localTraffic)} -j ${chains.cluster}`);
  }
  const fromNode = "-m addrtype --src-type LOCAL";
  rules.push(
    `${head} ${commentMatch(`masquerade LOCAL traffic for ${what}`)} ${fromNode} -j ${CHAIN.markMasquerade}`,
    `${head} ${commentMatch(`route LOCAL traffic for ${what}`)} ${fromNode} -j ${chains.cluster}`,
  );
  // Without it packets return as they came and meet the DROP of KUBE-EXTERNAL-SERVICES.
  if (hasExternal) rules.push(`${head} -j ${chains.local}`);
  out.chains.set(chains.external, rules);
}

/** KUBE-FW-: lets only the source ranges into KUBE-EXT-. */
export function addFirewallChain({ port, options, out, chains, firewalled }: PortContext): void {
  if (!firewalled) return;
  const { nodeIPs } = options;
  const head = `-A ${chains.firewall}`;
  const allow = `${head} ${commentMatch(`${port.label} loadbalancer IP`)}`;
  const rules = port.sourceRanges.map((range) => `${allow} -s ${range} -j ${chains.external}`);
  // A node that has the load balancer's IP configured sends with that IP as source.
  if (admitsNode(port, nodeIPs)) {
    for (const ip of port.loadBalancerIPs) rules.push(`${allow} -s ${ip} -j ${chains.external}`);
  }
  rules.push(
    `${head} ${commentMatch(`other traffic to ${port.label} will be dropped by ${CHAIN.proxyFirewall}`)}`,
  );
  out.chains.set(chains.firewall, rules);
}

/** KUBE-SVC- and KUBE-SVL-, as far as used, and the KUBE-SEP- chains they lead to. */
export function addEndpointChains(context: PortContext): void {
  const { port, chains } = context;
  const targets = new Map<string, Target>();
  const clusterTargets = collectTargets(
    context,
    !port.internalPolicyLocal || port.externallyAccessible ? port.clusterEndpoints : [],
    targets,
  );
  const localTargets = collectTargets(
    context,
    port.internalPolicyLocal || (port.externalPolicyLocal && port.externallyAccessible)
      ? port.localEndpoints
      : [],
    targets,
  );
  addBalancer(context, chains.cluster, clusterTargets, !port.internalPolicyLocal);
  addBalancer(context, chains.local, localTargets, port.internalPolicyLocal);
  for (const target of targets.values()) addTarget(context, target);
}

/** An endpoint and its chain. */
interface Target {
  readonly ip: string;
  /** `ip:port`. */
  readonly text: string;
  readonly chain: string;
}

/** Finds or names the chain of each endpoint; an endpoint of both policies has one chain. */
function collectTargets(
  { identity }: PortContext,
  endpoints: readonly Endpoint[],
  known: Map<string, Target>,
): readonly Target[] {
  return endpoints.map((endpoint) => {
    const text = joinHostPort(endpoint.ip, endpoint.port);
    let target = known.get(text);
    if (target === undefined) {
      target = { ip: endpoint.ip, text, chain: endpointChain(identity, text) };
      known.set(text, target);
    }
    return target;
  });
}

function addBalancer(
  context: PortContext,
  chain: string,
  targets: readonly Target[],
  servesClusterIP: boolean,
): void {
  if (targets.length === 0) return;
  const { port, options, out } = context;
  const head = `-A ${chain}`;
  const rules = servesClusterIP ? masqueradeRules(context, head) : [];
  const describe = (target: Target): string =>
    options.comments ? ` ${commentMatch(`${port.label} -> ${target.text}`)}` : "";
  if (port.affinitySeconds > 0) {
    // All of these come first: a client that is known must not be balanced anew.
    const known = `--rcheck --seconds ${port.affinitySeconds} --reap`;
    for (const target of targets) {
      const recent = `-m recent --name ${target.chain} ${known}`;
      rules.push(`${head}${describe(target)} ${recent} -j ${target.chain}`);
    }
  }
  for (const [index, target] of targets.entries()) {
    const chance = share(targets.length - index);
    rules.push(`${head}${describe(target)}${chance} -j ${target.chain}`);
  }
  out.chains.set(chain, rules);
}

/** Takes one packet in `remaining`, which gives every endpoint the same share when each rule sees what the former left. */
function share(remaining: number): string {
  if (remaining === 1) return "";
  // The only number whose reciprocal lies exactly between two texts of ten digits: upstream rounds to even, toFixed up.
  const probability = remaining === 2048 ? "0.0004882812" : (1 / remaining).toFixed(10);
  return ` -m statistic --mode random --probability ${probability}`;
}

/** For the cluster IP; external traffic is marked in KUBE-EXT-. */
function masqueradeRules({ options, clusterIP }: PortContext, head: string): string[] {
  const who = masqueradedAtClusterIP(options);
  if (who === "nobody") return [];
  const { localTraffic } = options;
  const butPods =
    who === "all but pods" && localTraffic !== undefined ? ` ! ${renderLocalTraffic(localTraffic)}` : "";
  return [`${head} ${clusterIP}${butPods} -j ${CHAIN.markMasquerade}`];
}

/** KUBE-SEP-: a pod that reaches itself is masqueraded, or its reply would never leave it; then DNAT. */
function addTarget({ port, options, out, protocol }: PortContext, { ip, text, chain }: Target): void {
  const head = options.comments ? `-A ${chain} ${commentMatch(port.label)}` : `-A ${chain}`;
  const remember = port.affinitySeconds > 0 ? ` -m recent --name ${chain} --set` : "";
  out.chains.set(chain, [
    `${head} -s ${ip} -j ${CHAIN.markMasquerade}`,
    `${head}${remember} ${protocol} -j DNAT --to-destination ${text}`,
  ]);
}
