/** How packets of pods are told from other packets. Pure; each mode renders the decision its own way. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { IpFamily } from "../model/types.ts";

export type LocalTraffic =
  | { readonly kind: "source"; readonly cidr: string }
  | { readonly kind: "interface"; readonly name: string }
  | { readonly kind: "interface-prefix"; readonly prefix: string };

/**
 * Chooses the detection of a family; undefined when the configuration gives nothing to go by, in which case
 * nobody is taken for a pod.
 * @param podCIDR first pod CIDR of this node in the family, empty when unknown; only mode NodeCIDR reads it
 */
export function localTrafficOf(
  config: Pick<ProxyConfig, "detectLocalMode" | "clusterCIDR" | "bridgeInterface" | "interfaceNamePrefix">,
  family: IpFamily,
  podCIDR: string,
): LocalTraffic | undefined {
  switch (config.detectLocalMode) {
    case "ClusterCIDR":
      return fromSource(config.clusterCIDR[family]);
    case "NodeCIDR":
      return fromSource(podCIDR);
    case "BridgeInterface":
      return config.bridgeInterface ? { kind: "interface", name: config.bridgeInterface } : undefined;
    case "InterfaceNamePrefix":
      return config.interfaceNamePrefix
        ? { kind: "interface-prefix", prefix: config.interfaceNamePrefix }
        : undefined;
  }
}

function fromSource(cidr: string): LocalTraffic | undefined {
  return cidr === "" ? undefined : { kind: "source", cidr };
}
