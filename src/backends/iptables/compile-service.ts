/** Compiles one Service: the rules it adds to the shared chains, and the chains it has to itself. */
import type { ServicePort } from "../../model/types.ts";
import { addEndpointChains, addExternalChain, addFirewallChain } from "./compile-chains.ts";
import {
  acceptHealthChecks,
  dispatchClusterIP,
  dispatchExternalIPs,
  dispatchLoadBalancerIPs,
  dispatchNodePort,
} from "./compile-dispatch.ts";
import type { CompileOptions } from "./compile-options.ts";
import { type CompiledService, describePort, type Output } from "./compile-port.ts";

export type { CompiledService };

/** Compiles all ports of one Service; an empty list gives an empty result. */
export function compileService(ports: readonly ServicePort[], options: CompileOptions): CompiledService {
  const out: Output = {
    chains: new Map(),
    natServices: [],
    natNodePorts: [],
    filterServices: [],
    filterExternal: [],
    filterFirewall: [],
    filterNodePorts: [],
  };
  for (const port of ports) {
    const context = describePort(port, options, out);
    dispatchClusterIP(context);
    dispatchExternalIPs(context);
    dispatchLoadBalancerIPs(context);
    dispatchNodePort(context);
    acceptHealthChecks(context);
    addExternalChain(context);
    addFirewallChain(context);
    addEndpointChains(context);
  }
  return out;
}
