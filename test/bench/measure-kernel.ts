/** The yardstick of nftables mode: the kernel's own time for the same table, without anybody computing what to write. */
import { join } from "node:path";
import { Namespace } from "../support/testbed/namespace.ts";
import type { KernelCalls } from "./agents/kernel.ts";
import { Agent } from "./agents/rpc.ts";
import type { Network } from "./network.ts";
import type { KernelResult } from "./results.ts";
import { quantile } from "./stats.ts";

const ONE_ELEMENT_TRIALS = 500;
/** The first load finds the kernel's memory cold; the best of a few is what it can do. */
const LOADS = 3;

/** Copies the table of the network's node into fresh namespaces. `folder` takes the copy. */
export async function measureKernel(network: Network, folder: string): Promise<KernelResult> {
  const file = join(folder, "table");
  const { elementCount, dumpMs } = await network.kernel.call("save", file);
  const replays = [];
  for (let i = 0; i < LOADS; i++) {
    const namespace = await Namespace.create("scratch");
    const agent = new Agent<KernelCalls>(namespace, new URL("./agents/kernel.ts", import.meta.url));
    replays.push(await agent.call("replay", { file, trials: ONE_ELEMENT_TRIALS }));
    await agent.dispose();
    await namespace.dispose();
  }
  const oneElementMs = replays.flatMap((replay) => replay.oneElementMs);
  return {
    elements: elementCount,
    loadMs: Math.min(...replays.map(({ loadMs }) => loadMs)),
    dumpMs,
    oneElementP50Ms: quantile(oneElementMs, 0.5),
    oneElementP95Ms: quantile(oneElementMs, 0.95),
  };
}
