/** Any history of changes leaves the table that its outcome alone would have made, up to the order within rings. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { expand } from "../../../../src/backends/nftables/expand.ts";
import { ServiceState } from "../../../../src/backends/nftables/service-state.ts";
import type { ServicePort } from "../../../../src/model/types.ts";
import { servicePort } from "../../../support/service-port.ts";
import { NO_SLOTS, TableModel, tableOptions } from "./table.ts";

const KEYS = ["default/a", "default/b", "default/c"];

/** The three Services compete for one external IP; each has its own cluster IP and node port. */
const port = fc
  .record({
    pods: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }),
    shared: fc.boolean(),
    affinitySeconds: fc.constantFrom(0, 60),
    externalPolicyLocal: fc.boolean(),
  })
  .map(({ pods, shared, ...rest }) => (key: string): readonly ServicePort[] => {
    return [
      servicePort({
        ...rest,
        clusterIP: `172.30.0.${KEYS.indexOf(key) + 1}`,
        nodePort: 30_000 + KEYS.indexOf(key),
        externalIPs: shared ? ["203.0.113.1"] : [],
        local: pods.filter((pod) => pod % 2 === 0).map((pod) => `10.0.0.${pod}`),
        remote: pods.filter((pod) => pod % 2 === 1).map((pod) => `10.0.0.${pod}`),
      }),
    ];
  });

const history = fc.array(fc.tuple(fc.constantFrom(...KEYS), fc.option(port)), { maxLength: 12 });

it("histories of Services that share an address", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const grown = new ServiceState(tableOptions());
      const table = new TableModel();
      const final = new Map<string, readonly ServicePort[]>();
      for (const [key, make] of steps) {
        const ports = make?.(key) ?? [];
        final.set(key, ports);
        grown.set(key, ports, grown.slotsOf(key));
        table.apply(grown.takeChanges().flatMap((change) => [...expand(change, 4)]));
      }
      const fresh = new ServiceState(tableOptions());
      // The other way round, and with the slots that were found.
      for (const [key, ports] of [...final].reverse()) fresh.set(key, ports, grown.slotsOf(key));
      const wanted = new TableModel();
      wanted.apply(fresh.takeChanges().flatMap((change) => [...expand(change, 4)]));
      expect(table.list()).toEqual(wanted.list());
    }),
  );
});

it("a Service that others depend on comes first", () => {
  const state = new ServiceState(tableOptions("IPv4", { nodePortAddresses: ["192.0.2.1"] }));
  state.setTableClaims();
  for (const key of ["a/a", "kube-system/kube-dns", "default/kubernetes"])
    state.set(key, [servicePort({ clusterIP: `172.30.0.${key.length}` })], NO_SLOTS);
  expect(state.owners()).toEqual(["", "kube-system/kube-dns", "default/kubernetes", "a/a"]);
});
