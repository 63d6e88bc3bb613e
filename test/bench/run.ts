/** One size, from an empty kernel to the end, in a network of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IptablesVariant } from "../support/testbed/proxy.ts";
import { Cluster } from "./cluster.ts";
import { pathWith } from "./iptables-tools.ts";
import { checkAnswers, measureEndpointChanges, measureServices } from "./measure-changes.ts";
import { measurePlain } from "./measure-plain.ts";
import { measureIdle, measureRestart, measureStart, sampleOf } from "./measure-start.ts";
import { Network } from "./network.ts";
import type { BenchOptions, ClusterSize } from "./options.ts";
import { MeasuredProxy } from "./proxy.ts";
import type { SizeResult } from "./results.ts";

/** Services whose answers are checked, before anything is timed on them. */
const CHECKED = 10;
/** Rules of endpoints that iptables-nft still takes in well under the time-out in one piece. */
const PLAIN_NFT_ENDPOINTS = 20_000;

/** Measures one size. `say` is told what is being done. */
export async function runSize(
  size: ClusterSize,
  variant: IptablesVariant,
  options: BenchOptions,
  say: (text: string) => void,
): Promise<SizeResult> {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  // On a signal the process ends at once; the kernel takes the namespaces and processes with it.
  process.once("exit", removeFolder);
  const path = pathWith(variant, folder);
  const kubeconfig = join(folder, "kubeconfig");
  const cluster = new Cluster(size);
  const network = await Network.create();
  try {
    await network.api.call("start", { size, kubeconfig });
    const startProxy = (): MeasuredProxy => new MeasuredProxy(network.node, { kubeconfig, path });

    say("cold start");
    const proxy = startProxy();
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
    const second = startProxy();
    const restart = await measureRestart(second);
    await checkAnswers(network, sampleOf(cluster.services, CHECKED));
    await second.stop();

    const plain = await plainIfAffordable();
    return { size, variant, entry, start, idleCpu, changes, services, restart, plain };
  } finally {
    await network.dispose();
    removeFolder();
    process.off("exit", removeFolder);
  }

  async function plainIfAffordable(): Promise<SizeResult["plain"]> {
    const endpoints = size.services * size.endpointsPerService;
    if (variant === "nft" && endpoints > PLAIN_NFT_ENDPOINTS && !options.full) return undefined;
    say("plain iptables-restore of the whole document");
    return measurePlain(cluster.services, path);
  }
}
