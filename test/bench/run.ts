/** One size, from an empty kernel to the end, in a network of its own. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "./cluster.ts";
import { pathWith } from "./iptables-tools.ts";
import { checkAnswers, measureEndpointChanges, measureServices } from "./measure-changes.ts";
import { measureKernel } from "./measure-kernel.ts";
import { measurePlain } from "./measure-plain.ts";
import { measureRates, tinySizeFor } from "./measure-rate.ts";
import { measureIdle, measureRestart, measureStart, measureTraffic, sampleOf } from "./measure-start.ts";
import { Network } from "./network.ts";
import type { BenchOptions, ClusterSize, Subject } from "./options.ts";
import { MeasuredProxy, type ProxyOptions } from "./proxy.ts";
import type { NftablesResult, RateResult, SizeResult } from "./results.ts";

/** Services whose answers are checked, before anything is timed on them. */
const CHECKED = 10;
/** Rules of endpoints that iptables-nft still takes in well under the time-out in one piece. */
const PLAIN_NFT_ENDPOINTS = 20_000;

/** Measures one size. `say` is told what is being done. */
export async function runSize(
  size: ClusterSize,
  subject: Subject,
  options: BenchOptions,
  say: (text: string) => void,
): Promise<SizeResult> {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  // On a signal the process ends at once; the kernel takes the namespaces and processes with it.
  process.once("exit", removeFolder);
  const site = await Site.create(size, subject, folder);
  const { cluster, network } = site;
  try {
    say("cold start");
    const proxy = await site.startProxy();
    const start = await measureStart(network, proxy, cluster.services);
    const { entry } = proxy;
    await checkAnswers(network, sampleOf(cluster.services, CHECKED));
    const idleCpu = await measureIdle(proxy, options.idleMs);
    say(`${options.changes} endpoint changes`);
    const changes = await measureEndpointChanges(network, proxy, cluster, options.changes);
    say(`${options.services} new and removed Services`);
    const services = await measureServices(network, proxy, cluster, options.services);
    await proxy.stop();

    say("restart");
    const generation = await network.kernel.call("generation");
    const second = await site.startProxy();
    const restart = await measureRestart(second);
    const restartCommits = (await network.kernel.call("generation")) - generation;
    await checkAnswers(network, sampleOf(cluster.services, CHECKED));
    const nftables = subject === "nftables" ? await measureNftables(second, restartCommits) : undefined;
    if (subject !== "nftables") await second.stop();

    const plain = await plainIfAffordable();
    return { size, subject, entry, start, idleCpu, changes, services, restart, plain, nftables };
  } finally {
    await site.dispose();
    removeFolder();
    process.off("exit", removeFolder);
  }

  async function measureNftables(proxy: MeasuredProxy, restartCommits: number): Promise<NftablesResult> {
    say("restart under traffic");
    const restarted = await measureTraffic(network, proxy, cluster.services, () => site.startProxy());
    await restarted.proxy.stop();
    say("connections per second");
    const rates = await measureBesideTiny();
    say("the kernel alone");
    const kernel = await measureKernel(network, folder);
    return { kernel, restartCommits, traffic: restarted.traffic, rates };
  }

  /** The rules of a proxy that has ended go on working. */
  async function measureBesideTiny(): Promise<RateResult> {
    const tiny = await Site.create(tinySizeFor(size), subject, join(folder, "tiny"));
    try {
      const proxy = await tiny.startProxy();
      await measureStart(tiny.network, proxy, tiny.cluster.services);
      await proxy.stop();
      const services = { services: tiny.cluster.services, network: tiny.network };
      return await measureRates({ network, services: cluster.services }, services, options.rateRounds);
    } finally {
      await tiny.dispose();
    }
  }

  async function plainIfAffordable(): Promise<SizeResult["plain"]> {
    const endpoints = size.services * size.endpointsPerService;
    const { path } = site.proxyOptions;
    if (subject === "nftables" || path === undefined) return undefined;
    if (subject === "iptables-nft" && endpoints > PLAIN_NFT_ENDPOINTS && !options.full) return undefined;
    say("plain iptables-restore of the whole document");
    return measurePlain(cluster.services, path);
  }
}

/** A cluster with its API server and its network. */
class Site {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly proxyOptions: ProxyOptions;

  static async create(size: ClusterSize, subject: Subject, folder: string): Promise<Site> {
    mkdirSync(folder, { recursive: true });
    const kubeconfig = join(folder, "kubeconfig");
    const network = await Network.create();
    await network.api.call("start", { size, kubeconfig });
    const isIptables = subject !== "nftables";
    return new Site(new Cluster(size), network, {
      kubeconfig,
      mode: isIptables ? "iptables" : "nftables",
      path: isIptables ? pathWith(subject, folder) : process.env.PATH,
    });
  }

  private constructor(cluster: Cluster, network: Network, proxyOptions: ProxyOptions) {
    this.cluster = cluster;
    this.network = network;
    this.proxyOptions = proxyOptions;
  }

  async startProxy(): Promise<MeasuredProxy> {
    await this.network.api.call("prepare", this.proxyOptions.kubeconfig);
    return new MeasuredProxy(this.network.node, this.proxyOptions);
  }

  dispose(): Promise<void> {
    return this.network.dispose();
  }
}
