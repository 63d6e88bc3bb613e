/** What this node is right now: its addresses and ranges, from interfaces, configuration and store. */
import type { NodeFactsNow } from "../backends/create-options.ts";
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { HostAddresses } from "../kernel/addresses.ts";
import { resolveNodePortAddresses } from "../kernel/node-port-addresses.ts";
import { listNodeAddresses } from "../kernel/virtual-device.ts";
import { familyOf } from "../model/address.ts";
import type { IpFamily } from "../model/types.ts";
import type { Store } from "../store/store.ts";
import { type NodeIPs, nodeIPsOf } from "./node-identity.ts";

/** What of the store describes the node and its cluster. */
type KnownNode = Pick<Store, "node" | "serviceCIDRs">;

export class NodeFacts {
  readonly #config: Pick<ProxyConfig, "bindAddress" | "nodePortAddresses">;
  readonly #store: KnownNode;
  #addresses: HostAddresses = { local: { IPv4: [], IPv6: [] }, outward: { IPv4: [], IPv6: [] } };

  constructor(config: Pick<ProxyConfig, "bindAddress" | "nodePortAddresses">, store: KnownNode) {
    this.#config = config;
    this.#store = store;
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
    return nodeIPsOf(this.#config, this.#store.node, this.#addresses.outward);
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
      podCIDR: this.#store.node?.podCIDRs.find((cidr) => familyOf(cidr) === family) ?? "",
      serviceCIDRs: this.#store.serviceCIDRs(family),
    };
  }
}
