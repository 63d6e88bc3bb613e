/** What every mode is made from, once per IP family. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { Logger } from "../logging/logger.ts";
import type { IpFamily } from "../model/types.ts";

/** What only the running node knows of one family; asked anew at every full pass. */
export interface NodeFactsNow {
  /** Addresses by which the cluster knows this node, the primary one first. */
  readonly nodeIPs: readonly string[];
  /** Addresses of all interfaces, loopback included. */
  readonly localAddresses: readonly string[];
  /** First pod CIDR of this node; empty when unknown. */
  readonly podCIDR: string;
  /** Canonical CIDRs that cluster IPs are taken from, sorted, none inside another; empty when unknown. */
  readonly serviceCIDRs: readonly string[];
}

export interface CreateOptions {
  readonly config: ProxyConfig;
  readonly family: IpFamily;
  readonly nodeFacts: () => Promise<NodeFactsNow>;
  readonly logger: Logger;
}
