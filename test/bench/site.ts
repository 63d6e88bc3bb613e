/** A cluster with its API server and its network. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "./cluster.ts";
import { pathWith, variantOf } from "./iptables-tools.ts";
import { Network } from "./network.ts";
import { type ClusterSize, modeOf, type Subject } from "./options.ts";
import { MeasuredProxy, PROGRAM, type ProxyOptions } from "./proxy.ts";

export class Site {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly proxyOptions: ProxyOptions;

  static async create(
    size: ClusterSize,
    subject: Subject,
    folder: string,
    profile: string | undefined,
  ): Promise<Site> {
    mkdirSync(folder, { recursive: true });
    const kubeconfig = join(folder, "kubeconfig");
    const network = await Network.create(subject === "userspace");
    await network.api.call("start", { size, kubeconfig });
    const variant = variantOf(subject);
    return new Site(new Cluster(size), network, {
      kubeconfig,
      mode: modeOf(subject),
      path: variant === undefined ? process.env.PATH : pathWith(variant, folder),
      profile,
    });
  }

  private constructor(cluster: Cluster, network: Network, proxyOptions: ProxyOptions) {
    this.cluster = cluster;
    this.network = network;
    this.proxyOptions = proxyOptions;
  }

  /** Runs `bin/kube-proxy` unless told another program. */
  async startProxy(program?: string): Promise<MeasuredProxy> {
    await this.network.api.call("prepare", this.proxyOptions.kubeconfig);
    return new MeasuredProxy(this.network.node, { ...this.proxyOptions, ...(program && { program }) });
  }

  /** Removes what a proxy has left in the kernel. */
  async cleanUp(): Promise<void> {
    await this.network.node.exec(["env", `PATH=${this.proxyOptions.path}`, PROGRAM, "--cleanup"]);
  }

  dispose(): Promise<void> {
    return this.network.dispose();
  }
}
