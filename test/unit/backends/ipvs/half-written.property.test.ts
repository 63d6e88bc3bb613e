/** Between any two steps of a write, no packet meets half a Service: what the writer's order is for. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { SetEntry } from "../../../../src/backends/ip-sets/set-table.ts";
import { entriesOf } from "../../../../src/backends/ipvs/difference.ts";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import { parseServerKey, type WantedServer } from "../../../../src/backends/ipvs/virtual-server.ts";
import { history } from "./arbitraries.ts";
import type { KernelModel } from "./kernel-model.ts";
import { live, type Wanted } from "./living.ts";

/** `touched` are the virtual servers of which something has been written. */
function checkInvariants(
  model: KernelModel,
  before: Wanted,
  after: Wanted,
  touched: ReadonlySet<string>,
): void {
  const hasAll = (entries: readonly SetEntry<SetRole>[]): boolean =>
    entries.every(([role, entry]) => model.has(role, entry));
  for (const key of model.servers.keys()) {
    const [was, is] = [before.get(key), after.get(key)];
    const complete = (server: WantedServer | undefined): boolean =>
      server !== undefined && hasAll(entriesOf(key, server));
    if (!complete(was) && !complete(is)) throw new Error(`${key} stands there without its entries`);
    if (is !== undefined && touched.has(key) && !complete(is))
      throw new Error(`${key} has new endpoints without new entries`);
    const stays = was?.endpoints.some((endpoint) => is?.endpoints.includes(endpoint)) ?? false;
    const hasSome =
      was !== undefined && is !== undefined && was.endpoints.length > 0 && is.endpoints.length > 0;
    if ((stays || hasSome) && model.serving(key).length === 0) throw new Error(`${key} leads nowhere`);
    checkFirewall(model, [was, is]);
  }
  for (const address of model.addresses) {
    if (!model.has("ipvsIPs", address)) throw new Error(`other ports of ${address} are open`);
    const isServed = [...model.servers.keys()].some((key) => parseServerKey(key).ip === address);
    if (!isServed) throw new Error(`${address} is bound and nothing is there`);
  }
}

/** Where sources are looked at, all those of before or of after are admitted. */
function checkFirewall(model: KernelModel, servers: readonly (WantedServer | undefined)[]): void {
  const sources: readonly SetRole[] = ["loadBalancerSources", "loadBalancerSelf"];
  const restricted = servers.filter((server) =>
    server?.entries.some(([role, entry]) => role === "loadBalancerFirewall" && model.has(role, entry)),
  );
  if (restricted.length === 0) return;
  const isWhole = (server: WantedServer | undefined): boolean =>
    server?.entries.every(([role, entry]) => !sources.includes(role) || model.has(role, entry)) ?? false;
  if (!restricted.some(isWhole)) throw new Error("clients that are admitted are kept out");
}

test("at no step is there half a Service", () => {
  let steps = 0;
  fc.assert(
    fc.property(history, (batches) => {
      live(batches, (node, before, after) => {
        const touched = new Set<string>();
        node.writer.onStep = (words) => {
          steps++;
          const [, option = "", at = ""] = /^-\w (\S+) (\S+)/.exec(words) ?? [];
          if (at !== "") touched.add(`${PROTOCOLS[option]} ${at}`);
          checkInvariants(node.model, before, after, touched);
        };
      });
    }),
    { numRuns: 200 },
  );
  expect(steps).toBeGreaterThan(1_000);
});

const PROTOCOLS: Readonly<Record<string, string>> = { "-t": "TCP", "-u": "UDP", "--sctp-service": "SCTP" };
