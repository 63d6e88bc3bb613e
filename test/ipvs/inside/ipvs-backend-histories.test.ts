/** The backend of ipvs mode on a real kernel: whatever happened before, the same objects, and nothing left to write. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Backend, SyncResult } from "../../../src/backends/backend.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { ipvsBackend, servicesIn } from "../../support/ipvs-backend.ts";
import { enterNewNode } from "../../support/ipvs-node.ts";
import { ipvsState, withoutDraining } from "../../support/ipvs-state.ts";
import { Cluster, type History, history } from "../../unit/backends/iptables-backend/arbitraries.ts";

const HISTORIES = 15;
const SEED = 20_260_103;

/** Both families share virtual servers and device, so they live together here as well. */
const inBoth = <T>(work: (family: (typeof IP_FAMILIES)[number], index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(IP_FAMILIES.map(work));

const backends = (): Promise<Backend[]> => inBoth((family) => ipvsBackend(family, { probed: false }));

function resync(proxies: readonly Backend[], cluster: Cluster): Promise<SyncResult[]> {
  return Promise.all(proxies.map((proxy) => proxy.resync(servicesIn(cluster.all, proxy.family))));
}

async function live(proxies: readonly Backend[], steps: History[number][]): Promise<Cluster> {
  const cluster = new Cluster();
  await resync(proxies, cluster);
  for (const { changes, full } of steps) {
    cluster.take(changes);
    const results = full
      ? await resync(proxies, cluster)
      : await Promise.all(proxies.map((proxy) => proxy.sync(servicesIn(changes, proxy.family))));
    expect(results.map(({ refused }) => refused)).toEqual([[], []]);
  }
  return cluster;
}

const histories = fc.sample(history, { numRuns: HISTORIES, seed: SEED });

it.each(histories.map((steps, index) => [index + 1, steps] as const))(
  "history %i leads to the state of one full pass on an empty node, which a restarted proxy leaves alone",
  async (_number, steps) => {
    const leave = enterNewNode();
    let grown: ReturnType<typeof ipvsState>;
    let owned: unknown;
    let cluster: Cluster;
    try {
      cluster = await live(await backends(), steps);
      grown = ipvsState();

      const restarted = await backends();
      const results = await resync(restarted, cluster);
      for (const { written } of results) expect(new Set(Object.values(written))).toEqual(new Set([0]));
      expect(ipvsState()).toEqual(grown);
      owned = results.map((result) => result.owned);

      // Nobody is connected.
      for (const proxy of restarted) expect(await proxy.tend?.()).toBeUndefined();
      grown = withoutDraining(grown);
      expect(ipvsState()).toEqual(grown);
      for (const proxy of restarted) expect(await proxy.checkDrift()).toBeUndefined();
    } finally {
      leave();
    }

    const leaveAnother = enterNewNode();
    try {
      const results = await resync(await backends(), cluster);
      expect(grown).toEqual(ipvsState());
      expect(results.map((result) => result.owned)).toEqual(owned);
    } finally {
      leaveAnother();
    }
  },
);
