/** Whatever happened before, relay and sets end as one fresh pass leaves them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SET_ROLES } from "../../../../src/backends/userspace/names.ts";
import type { ServicePort } from "../../../../src/model/types.ts";
import { type History, history } from "../ipvs/arbitraries.ts";
import { inOrder, LivingNode } from "./living.ts";

function live(steps: History) {
  const node = new LivingNode();
  const services = new Map<string, readonly ServicePort[]>();
  for (const { changes } of steps) {
    for (const [key, ports] of changes) services.set(key, ports);
    node.take(changes);
  }
  return { node, services };
}

/** A node that has seen nothing but these Services, in another order. */
function fresh(services: ReadonlyMap<string, readonly ServicePort[]>): LivingNode {
  const node = new LivingNode();
  node.take([...services].reverse());
  return node;
}

test("any history leads to what one fresh pass makes", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node, services } = live(steps);
      expect(node.list()).toEqual(fresh(services).list());
    }),
    { numRuns: 300 },
  );
});

test("a full pass wants what changes have led to", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node } = live(steps);
      const specs = new Map(Array.from(node.state.specs(), (spec) => [spec.id, inOrder(spec)]));
      expect(specs).toEqual(new Map(Array.from(node.ports, ([id, spec]) => [id, inOrder(spec)])));
      const wanted = node.state.wantedEntries();
      for (const role of SET_ROLES) expect(node.sets.get(role)).toEqual(wanted.get(role) ?? new Set());
    }),
    { numRuns: 300 },
  );
});

test("no two virtual ports have one destination, and whoever is let in has one", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node } = live(steps);
      const owners = new Map<string, string>();
      for (const { id, protocol, destinations } of node.ports.values()) {
        for (const destination of destinations) {
          const name = `${destination.replace(/:(\d+)$/, `,${protocol.toLowerCase()}:$1`)}`;
          expect([name, owners.get(name)]).toEqual([name, undefined]);
          owners.set(name, id);
        }
      }
      for (const entry of node.sets.get("portals") ?? [])
        expect([entry, owners.has(entry)]).toEqual([entry, true]);
    }),
    { numRuns: 150 },
  );
});

test("the same again is no difference", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node, services } = live(steps);
      expect(node.take(services)).toEqual({
        relay: { upsert: [], remove: [] },
        added: new Map(),
        removed: new Map(),
      });
    }),
    { numRuns: 100 },
  );
});
