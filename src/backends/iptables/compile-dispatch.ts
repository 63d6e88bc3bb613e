/** What one service port adds to the chains that all Services share. */

import { LOOPBACK_CIDR } from "../iptables-chains/loopback.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import { NFACCT_COUNTERS } from "./capabilities.ts";
import type { PortContext } from "./compile-port.ts";
import { CHAIN } from "./names.ts";

/** The verdict on packets that no endpoint may take: refuse if there is none at all, else leave it to other nodes. */
function verdict({ port }: PortContext): { readonly comment: string; readonly target: string } {
  return port.hasAnyEndpoints
    ? { comment: commentMatch(`${port.label} has no local endpoints`), target: "-j DROP" }
    : { comment: commentMatch(`${port.label} has no endpoints`), target: "-j REJECT" };
}

/** The cluster IP: nat KUBE-SERVICES, or filter KUBE-SERVICES when nobody answers. */
export function dispatchClusterIP(context: PortContext): void {
  const { port, out, chains, protocol, clusterIP, hasInternal } = context;
  if (hasInternal) {
    const chain = port.internalPolicyLocal ? chains.local : chains.cluster;
    out.natServices.push(`-A ${CHAIN.services} ${clusterIP} -j ${chain}`);
    return;
  }
  const { comment, target } = verdict(context);
  out.filterServices.push(
    `-A ${CHAIN.services} ${comment} ${protocol} -d ${port.clusterIP} --dport ${port.port} ${target}`,
  );
}

/** External IPs: nat KUBE-SERVICES and, when outside traffic finds no endpoint, KUBE-EXTERNAL-SERVICES. */
export function dispatchExternalIPs(context: PortContext): void {
  const { port, out, chains, protocol, hasExternal } = context;
  for (const ip of port.externalIPs) {
    if (port.hasAnyEndpoints) {
      const comment = commentMatch(`${port.label} external IP`);
      out.natServices.push(
        `-A ${CHAIN.services} ${comment} ${protocol} -d ${ip} --dport ${port.port} -j ${chains.external}`,
      );
    }
    if (!hasExternal) refuseExternal(context, ip);
  }
}

/** Load-balancer IPs: as external IPs, with KUBE-PROXY-FIREWALL behind source ranges. */
export function dispatchLoadBalancerIPs(context: PortContext): void {
  const { port, out, chains, protocol, hasExternal, firewalled } = context;
  const entry = firewalled ? chains.firewall : chains.external;
  for (const ip of port.loadBalancerIPs) {
    const match = `${protocol} -d ${ip} --dport ${port.port}`;
    if (port.hasAnyEndpoints) {
      const comment = commentMatch(`${port.label} loadbalancer IP`);
      out.natServices.push(`-A ${CHAIN.services} ${comment} ${match} -j ${entry}`);
    }
    if (firewalled) {
      // Accepted packets carry an endpoint's address by now; what still has the load balancer's was not accepted.
      const comment = commentMatch(`${port.label} traffic not accepted by ${chains.firewall}`);
      out.filterFirewall.push(`-A ${CHAIN.proxyFirewall} ${comment} ${match} -j DROP`);
    }
    if (!hasExternal) refuseExternal(context, ip);
  }
}

function refuseExternal(context: PortContext, ip: string): void {
  const { port, out, protocol } = context;
  const { comment, target } = verdict(context);
  out.filterExternal.push(
    `-A ${CHAIN.externalServices} ${comment} ${protocol} -d ${ip} --dport ${port.port} ${target}`,
  );
}

/** The node port: nat KUBE-NODEPORTS, which source ranges deliberately do not guard, and KUBE-EXTERNAL-SERVICES. */
export function dispatchNodePort(context: PortContext): void {
  const { port, options, out, chains, protocol, hasExternal } = context;
  if (port.nodePort === 0) return;
  if (port.hasAnyEndpoints) {
    const head = `-A ${CHAIN.nodePorts} ${commentMatch(port.label)} ${protocol}`;
    if (options.localhostNodePorts && options.nfacct.localhost) {
      out.natNodePorts.push(
        `${head} -d ${LOOPBACK_CIDR.IPv4} --dport ${port.nodePort} ` +
          `-m nfacct --nfacct-name ${NFACCT_COUNTERS.localhost} -j ${chains.external}`,
      );
    }
    out.natNodePorts.push(`${head} --dport ${port.nodePort} -j ${chains.external}`);
  }
  if (!hasExternal) {
    const { comment, target } = verdict(context);
    out.filterExternal.push(
      `-A ${CHAIN.externalServices} ${comment} -m addrtype --dst-type LOCAL ${protocol} --dport ${port.nodePort} ${target}`,
    );
  }
}

/** The port of the health-check server, open whatever the host's own firewall says and whether endpoints exist or not. */
export function acceptHealthChecks({ port, out }: PortContext): void {
  if (port.healthCheckNodePort === 0) return;
  const comment = commentMatch(`${port.label} health check node port`);
  out.filterNodePorts.push(
    `-A ${CHAIN.nodePorts} ${comment} -m tcp -p tcp --dport ${port.healthCheckNodePort} -j ACCEPT`,
  );
}
