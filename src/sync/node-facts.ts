/** What this node is right now: its addresses and ranges, from interfaces, configuration and store. */
import type { NodeFactsNow } from "../backends/create-options.ts";
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { HostAddresses } from "../kernel/addresses.ts";
import { resolveNodePortAddresses } from "../kernel/node-port-addresses.ts";
import { listNodeAddresses } from "../kernel/virtual-device.ts";
import { familyOf } from "../model/address.ts";
import type { IpFamily } from "../model/types.ts";
import type { NodeRecord } from "../store/parse-node.ts";
import type { Store } from "../store/store.ts";
import { addressesOf, type NodeIPs, nodeIPsOf } from "./node-identity.ts";

export class NodeFacts {
  readonly #config: Pick<ProxyConfig, "bindAddress" | "nodePortAddresses">;
  #cluster: Pick<Store, "serviceCIDRs"> | undefined;
  #node: Pick<NodeRecord, "internalIPs" | "externalIPs"> | undefined;
  #podCIDRs: readonly string[] = [];
  #addresses: HostAddresses = { local: { IPv4: [], IPv6: [] }, outward: { IPv4: [], IPv6: [] } };

  constructor(config: Pick<ProxyConfig, "bindAddress" | "nodePortAddresses">) {
    this.#config = config;
  }

  /** From now on what describes the cluster is asked of this store. */
  follow(cluster: Pick<Store, "serviceCIDRs">): void {
    this.#cluster = cluster;
  }

  /** Takes over what the Node says of itself. What it lacks for a moment stays as it was. */
  see(node: NodeRecord): void {
    if (addressesOf(node).length > 0) this.#node = node;
    if (node.podCIDRs.length > 0) this.#podCIDRs = node.podCIDRs;
  }

  /** CIDRs of the node's pods; empty when unknown. */
  get podCIDRs(): readonly string[] {
    return this.#podCIDRs;
  }

  /** The interfaces' addresses when they were last listed. */
  get addresses(): HostAddresses {
    return this.#addresses;
  }

  /** Takes over addresses that were just listed. */
  take(addresses: HostAddresses): void {
    this.#addresses = addresses;
  }

  /** By which addresses the cluster knows the node. */
  get nodeIPs(): NodeIPs {
    return nodeIPsOf(this.#config, this.#node, this.#addresses.outward);
  }

  /** Where node ports, and with them the health-check servers of Services, answer. */
  nodePortAddresses(family: IpFamily): readonly string[] | "all" {
    const chosen = resolveNodePortAddresses(
      this.#config.nodePortAddresses,
      family,
      this.#addresses.local[family],
      this.nodeIPs.ips[family],
    );
    return chosen.all ? "all" : chosen.addresses;
  }

  /** Lists the addresses anew and gathers what a backend asks for. Rejects with a NetlinkError. */
  async now(family: IpFamily): Promise<NodeFactsNow> {
    this.take(await listNodeAddresses());
    const nodeIP = this.nodeIPs.ips[family];
    return {
      nodeIPs: nodeIP === "" ? [] : [nodeIP],
      localAddresses: this.#addresses.local[family],
      podCIDR: this.#podCIDRs.find((cidr) => familyOf(cidr) === family) ?? "",
      serviceCIDRs: this.#cluster?.serviceCIDRs(family) ?? [],
    };
  }
}
