/** What the rules of one service port have in common, and the lists they are written to. */
import type { ServicePort } from "../../model/types.ts";
import { commentMatch } from "../iptables-chains/rule-text.ts";
import type { CompileOptions } from "./compile-options.ts";
import { type ServicePortChains, servicePortChains } from "./names.ts";

/** Complete `-A CHAIN …` lines of one Service in one family; the order within each list is upstream's. */
export interface CompiledService {
  /** The Service's own chains of table nat, in the order upstream declares them. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Lines for nat KUBE-SERVICES. */
  readonly natServices: readonly string[];
  /** Lines for nat KUBE-NODEPORTS. */
  readonly natNodePorts: readonly string[];
  /** Lines for filter KUBE-SERVICES. */
  readonly filterServices: readonly string[];
  /** Lines for filter KUBE-EXTERNAL-SERVICES. */
  readonly filterExternal: readonly string[];
  /** Lines for filter KUBE-PROXY-FIREWALL. */
  readonly filterFirewall: readonly string[];
  /** Lines for filter KUBE-NODEPORTS. */
  readonly filterNodePorts: readonly string[];
}

/** A CompiledService being written. */
export interface Output extends CompiledService {
  readonly chains: Map<string, readonly string[]>;
  readonly natServices: string[];
  readonly natNodePorts: string[];
  readonly filterServices: string[];
  readonly filterExternal: string[];
  readonly filterFirewall: string[];
  readonly filterNodePorts: string[];
}

/** What several rules of one port have in common. */
export interface PortContext {
  readonly port: ServicePort;
  readonly options: CompileOptions;
  readonly out: Output;
  /** Hashed into the names of chains. */
  readonly identity: string;
  readonly chains: ServicePortChains;
  /** `-m tcp -p tcp`. */
  readonly protocol: string;
  /** The match of the cluster IP, with its comment. */
  readonly clusterIP: string;
  /** Some endpoint may take traffic for the cluster IP. */
  readonly hasInternal: boolean;
  /** Some endpoint may take traffic from outside. */
  readonly hasExternal: boolean;
  /** Source ranges guard the load-balancer IPs. */
  readonly firewalled: boolean;
}

/** Takes the decisions about a port that more than one rule depends on. */
export function describePort(port: ServicePort, options: CompileOptions, out: Output): PortContext {
  const protocol = port.protocol.toLowerCase();
  const identity = port.label + protocol;
  const match = `-m ${protocol} -p ${protocol}`;
  const any = port.hasAnyEndpoints;
  return {
    port,
    options,
    out,
    identity,
    chains: servicePortChains(identity),
    protocol: match,
    clusterIP: `${commentMatch(`${port.label} cluster IP`)} ${match} -d ${port.clusterIP} --dport ${port.port}`,
    hasInternal: any && (!port.internalPolicyLocal || port.localEndpoints.length > 0),
    hasExternal: any && (!port.externalPolicyLocal || port.localEndpoints.length > 0),
    firewalled: any && port.loadBalancerIPs.length > 0 && port.sourceRanges.length > 0,
  };
}
