/** Whatever happened before, the kernel ends as one fresh pass leaves it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ADDRESSES } from "../../../../src/backends/ipvs/compile-service.ts";
import { Draining } from "../../../../src/backends/ipvs/draining.ts";
import { planDeletion, planRepair } from "../../../../src/backends/ipvs/plan-servers.ts";
import { HELD_BY_NODE, history } from "./arbitraries.ts";
import { fresh, live, OPTIONS, wantedServers } from "./living.ts";

test("any history leads to what one fresh pass makes, but for what still drains", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node, services } = live(steps);
      node.model.removeDrained();
      expect(node.model.list()).toEqual(fresh(services).model.list());
    }),
    { numRuns: 300 },
  );
});

test("what drains is known, and is of TCP", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { model, writer } = live(steps).node;
      const drains = [...model.servers.keys()]
        .map((key) => [key, model.draining(key).toSorted()] as const)
        .filter(([, endpoints]) => endpoints.length > 0);
      const known = writer.draining.entries().map(([key, endpoints]) => [key, endpoints.toSorted()] as const);
      expect(new Map(known)).toEqual(new Map(drains));
      for (const [key] of known) expect(key).toMatch(/^TCP /);
    }),
  );
});

test("the numbers of objects are those in the kernel", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { model, writer } = live(steps).node;
      const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
      expect(writer.owned).toEqual({
        virtual_servers: model.servers.size,
        real_servers: sum([...model.servers.keys()].map((key) => model.serving(key).length)),
        addresses: model.addresses.size,
        set_entries: sum([...model.sets.values()].map(({ size }) => size)),
      });
    }),
  );
});

test("a full pass mends what any other history left, and finds nothing to do the second time", () => {
  fc.assert(
    fc.property(history, history, (past, steps) => {
      const { model } = live(past).node;
      const { services } = live(steps);
      const wanted = wantedServers(fresh(services));
      const repair = (draining: Draining): number => {
        const changes = [...wanted].flatMap(([key, server]) =>
          planRepair(key, model.found(key), server, OPTIONS, draining),
        );
        const surplus = [...model.servers.keys()].filter((key) => !wanted.has(key));
        changes.push(...surplus.map((key) => planDeletion(key, draining)));
        for (const change of changes) model.apply(change);
        return changes.length;
      };
      const [first, second] = [new Draining(), new Draining()];
      repair(first);
      expect(repair(second)).toBe(0);
      expect(new Map(second.entries())).toEqual(new Map(first.entries()));
      model.removeDrained();
      expect(model.servers).toEqual(fresh(services).model.servers);
    }),
    { numRuns: 150 },
  );
});

test("addresses that the node has on another device are never bound", () => {
  fc.assert(
    fc.property(history, (steps) => {
      const { node } = live(steps);
      expect([...node.model.addresses]).not.toContain(HELD_BY_NODE);
      expect(
        [...node.state.effectiveClaims()].filter(({ set, key }) => set === ADDRESSES && key === HELD_BY_NODE),
      ).toEqual([]);
    }),
    { numRuns: 50 },
  );
});
