/** The yardsticks of ipvs mode: the kernel's own time for the same objects, and that of programs that write them singly. */
import { join } from "node:path";
import { Namespace } from "../support/testbed/namespace.ts";
import type { KernelCalls } from "./agents/kernel.ts";
import { Agent } from "./agents/rpc.ts";
import type { Network } from "./network.ts";
import type { IpvsKernelResult } from "./results.ts";
import { quantile } from "./stats.ts";

const ONE_CHANGE_TRIALS = 100;
/** The first load finds the kernel's memory cold; the best of a few is what it can do. */
const LOADS = 3;

/** Copies what the network's node has into fresh namespaces. `folder` takes the copy. */
export async function measureIpvsKernel(network: Network, folder: string): Promise<IpvsKernelResult> {
  const file = join(folder, "ipvs");
  const inventory = await network.kernel.call("saveIpvs", file);
  const replays = [];
  for (let i = 0; i < LOADS; i++) {
    const namespace = await Namespace.create("scratch");
    // Without any local address the kernel takes every address for one of broadcast.
    await namespace.exec(["ip", "link", "set", "lo", "up"]);
    const agent = new Agent<KernelCalls>(namespace, new URL("./agents/kernel.ts", import.meta.url));
    replays.push(await agent.call("replayIpvs", { file, trials: ONE_CHANGE_TRIALS }));
    await agent.dispose();
    await namespace.dispose();
  }
  const oneEndpointMs = replays.flatMap((replay) => replay.oneEndpointMs);
  const best = (times: readonly number[]): number => Math.min(...times);
  return {
    ...inventory,
    serversMs: best(replays.map(({ serversMs }) => serversMs)),
    setEntriesMs: best(replays.map(({ setEntriesMs }) => setEntriesMs)),
    addressesMs: best(replays.map(({ addressesMs }) => addressesMs)),
    oneEndpointP50Ms: quantile(oneEndpointMs, 0.5),
    oneEndpointP95Ms: quantile(oneEndpointMs, 0.95),
    oneServiceP50Ms: quantile(
      replays.flatMap((replay) => replay.oneServiceMs),
      0.5,
    ),
    singleRealServerMs: best(replays.map(({ singleRealServerMs }) => singleRealServerMs)),
  };
}
