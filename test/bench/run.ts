/** One size, from an empty kernel to the end, in a network of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswers, measureEndpointChanges, measureServices } from "./measure-changes.ts";
import { measureIpvsKernel } from "./measure-ipvs.ts";
import { measureKernel } from "./measure-kernel.ts";
import { measureLoad } from "./measure-load.ts";
import { measurePlain } from "./measure-plain.ts";
import { measureProcesses } from "./measure-processes.ts";
import { measureRates, tinySizeFor } from "./measure-rate.ts";
import {
  measureIdle,
  measureProgrammed,
  measureRestart,
  measureStart,
  measureTraffic,
  sampleOf,
} from "./measure-start.ts";
import { type BenchOptions, type ClusterSize, modeOf, type Subject } from "./options.ts";
import type { MeasuredProxy } from "./proxy.ts";
import type { IpvsResult, NftablesResult, RateResult, SizeResult, UserspaceResult } from "./results.ts";
import { Site } from "./site.ts";
import { Steadiness } from "./steadiness.ts";

/** Services whose answers are checked, before anything is timed on them. */
const CHECKED = 10;
/** Rules of endpoints that iptables-nft still takes in well under the time-out in one piece. */
const PLAIN_NFT_ENDPOINTS = 20_000;

/** Measures one size. `tell` is told what is being done. */
export async function runSize(
  size: ClusterSize,
  subject: Subject,
  options: BenchOptions,
  tell: (text: string) => void,
): Promise<SizeResult> {
  const steadiness = new Steadiness();
  const say = (text: string): void => {
    steadiness.look();
    tell(text);
  };
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  // On a signal the process ends at once; the kernel takes the namespaces and processes with it.
  process.once("exit", removeFolder);
  const site = await Site.create(size, subject, folder, options.profile);
  const { cluster, network } = site;
  try {
    say("cold start");
    const proxy = await site.startProxy();
    const measure = subject === "ipvs" ? measureProgrammed : measureStart;
    const start = await measure(network, proxy, cluster.services);
    const { entry } = proxy;
    await checkAnswers(network, sampleOf(cluster.services, CHECKED));
    const idleCpu = await measureIdle(proxy, options.idleMs);
    say(`${options.changes} endpoint changes`);
    const changes = await measureEndpointChanges(network, proxy, cluster, options.changes);
    say(`${options.services} new and removed Services`);
    const services = await measureServices(network, proxy, cluster, options.services);
    const userspace = subject === "userspace" ? await measureUserspace(proxy) : undefined;
    await proxy.stop();

    say("restart");
    const isNftables = subject === "nftables";
    const generation = isNftables ? await network.kernel.call("generation") : 0;
    const second = await site.startProxy();
    const restart = await measureRestart(second);
    const restartCommits = isNftables ? (await network.kernel.call("generation")) - generation : 0;
    await checkAnswers(network, sampleOf(cluster.services, CHECKED));
    const nftables = isNftables ? await measureNftables(second, restartCommits) : undefined;
    if (!isNftables) await second.stop();

    const ipvs = subject === "ipvs" ? await measureIpvs() : undefined;
    const plain = await plainIfAffordable();
    steadiness.look();
    const machineSpread = steadiness.spread;
    return {
      ...{ size, subject, entry, machineSpread, start, idleCpu, changes, services, restart },
      ...{ plain, nftables, ipvs, userspace },
    };
  } finally {
    await site.dispose();
    removeFolder();
    process.off("exit", removeFolder);
  }

  async function measureUserspace(proxy: MeasuredProxy): Promise<UserspaceResult> {
    say("load through the proxy and past it");
    const service = cluster.services[cluster.services.length >> 1]!;
    return measureLoad(network, proxy, service, options.loadRounds);
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
    const tiny = await Site.create(tinySizeFor(size), subject, join(folder, "tiny"), undefined);
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

  async function measureIpvs(): Promise<IpvsResult> {
    say("the kernel alone");
    const kernel = await measureIpvsKernel(network, folder);
    say("one process per object");
    return { kernel, processes: await measureProcesses(options.processes) };
  }

  async function plainIfAffordable(): Promise<SizeResult["plain"]> {
    const endpoints = size.services * size.endpointsPerService;
    const { path } = site.proxyOptions;
    if (modeOf(subject) !== "iptables" || path === undefined) return undefined;
    if (subject === "iptables-nft" && endpoints > PLAIN_NFT_ENDPOINTS && !options.full) return undefined;
    say("plain iptables-restore of the whole document");
    return measurePlain(cluster.services, path);
  }
}
