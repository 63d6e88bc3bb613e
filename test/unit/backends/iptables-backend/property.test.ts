/** Whatever happened before: partial passes, full passes and a start from nothing lead to the same rules. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ServicePort } from "../../../../src/model/types.ts";
import { Cluster, type History, history } from "./arbitraries.ts";
import { reachable, startBackend, stateOf, type TestBackend, type TestBackendOptions } from "./harness.ts";

const chainsPerCommit = fc.constantFrom(1, 3, Number.POSITIVE_INFINITY);

/** Lives through a history. */
async function live(
  steps: History,
  options: TestBackendOptions,
): Promise<TestBackend & { cluster: Cluster }> {
  const cluster = new Cluster();
  const made = await startBackend(options);
  await made.backend.resync([]);
  for (const { changes, full } of steps) {
    cluster.take(changes);
    await (full ? made.backend.resync(cluster.all) : made.backend.sync(changes));
  }
  return { ...made, cluster };
}

/** What a node holds that has seen nothing but these Services. */
async function fresh(cluster: Cluster): Promise<string> {
  const { backend, kernel } = await startBackend();
  await backend.resync(cluster.all);
  return kernel.dump();
}

describe("rules after any history", () => {
  test("partial passes make the rules that one full pass makes on an empty node", async () => {
    await fc.assert(
      fc.asyncProperty(history, chainsPerCommit, async (steps, size) => {
        const { kernel, cluster } = await live(steps, { chainsPerCommit: size });
        // Unchanged Services keep their comments when the cluster becomes large, as upstream leaves them.
        const comments = !cluster.wasLarge;
        expect(stateOf(kernel.dump(), { comments })).toEqual(stateOf(await fresh(cluster), { comments }));
      }),
      { numRuns: 150 },
    );
  });

  test("a full pass makes them from whatever the node holds, and does nothing the second time", async () => {
    await fc.assert(
      fc.asyncProperty(history, history, chainsPerCommit, async (before, after, size) => {
        const left = (await live(before, {})).kernel.dump();
        const { cluster } = await live(after, {});
        const { backend, kernel } = await startBackend({ rules: left, chainsPerCommit: size });
        await backend.resync(cluster.all);
        expect(stateOf(kernel.dump())).toEqual(stateOf(await fresh(cluster)));
        kernel.restores.length = 0;
        const { written, full } = await backend.resync(cluster.all);
        expect({ restores: kernel.restores, written, full }).toEqual({
          restores: [],
          written: { filter: 0, nat: 0 },
          full: true,
        });
      }),
      { numRuns: 80 },
    );
  });

  test("the numbers of rules it reports are those in the kernel", async () => {
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const { backend, kernel, cluster } = await live(steps, {});
        const { owned } = await backend.sync([]);
        const ours = (table: "filter" | "nat"): number =>
          kernel.dump(table).match(/^-A KUBE-/gm)?.length ?? 0;
        expect(owned).toEqual({ filter: ours("filter"), nat: ours("nat") });
        expect((await backend.resync(cluster.all)).owned).toEqual(owned);
      }),
      { numRuns: 60 },
    );
  });

  test("cleaning up leaves nothing", async () => {
    const empty = (await startBackend()).kernel;
    for (const table of ["nat", "filter", "mangle"] as const) await empty.save(table);
    await fc.assert(
      fc.asyncProperty(history, chainsPerCommit, async (steps, size) => {
        const { backend, kernel } = await live(steps, { chainsPerCommit: size });
        await backend.cleanup();
        expect(stateOf(kernel.dump())).toEqual(stateOf(empty.dump()));
      }),
      { numRuns: 40 },
    );
  });
});

describe("rules while they change", () => {
  test("after every commit a Service leads to endpoints that it has before or after, and never nowhere", async () => {
    await fc.assert(
      fc.asyncProperty(history, history, chainsPerCommit, fc.boolean(), async (before, after, size, full) => {
        const { backend, kernel, cluster } = await live(before, { chainsPerCommit: size });
        const endpointsOf = (): Map<string, string[]> =>
          new Map(cluster.all.map(([key, ports]) => [key, addresses(ports)]));
        const [start, had] = [kernel.dump(), endpointsOf()];
        const seen: string[] = [];
        kernel.onCommit = () => seen.push(kernel.dump());
        const { changes } = after[0]!;
        cluster.take(changes);
        await (full ? backend.resync(cluster.all) : backend.sync(changes));
        const [end, has] = [kernel.dump(), endpointsOf()];
        for (const port of cluster.all.flatMap(([, ports]) => ports)) {
          const known = [...(had.get(port.serviceKey) ?? []), ...has.get(port.serviceKey)!];
          const mustBeReachable = reachable(start, port).length > 0 && reachable(end, port).length > 0;
          for (const met of seen.map((dump) => reachable(dump, port))) {
            expect(known).toEqual(expect.arrayContaining(met));
            if (mustBeReachable) expect(met).not.toEqual([]);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

function addresses(ports: readonly ServicePort[]): string[] {
  return ports.flatMap(({ servingEndpoints }) => servingEndpoints.map(({ ip, port }) => `${ip}:${port}`));
}
