import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PortConnections } from "../../../src/backends/backend.ts";
import { ServiceConnections } from "../../../src/metrics/service-connections.ts";

/** Connections by Service name. */
type Reading = Readonly<Record<string, number>>;

const portsOf = (reading: Reading): PortConnections[] =>
  Object.entries(reading).map(([name, connections]) => ({
    namespace: "ns",
    name,
    portName: "",
    protocol: "TCP",
    connections,
  }));
const ownOf = (totals: ServiceConnections): Record<string, number> =>
  Object.fromEntries(Array.from(totals.own, ({ port, total }) => [port.name, total]));

test.each<[title: string, limit: number, readings: Reading[], own: Reading, rest: number]>([
  ["nothing read", 2, [], {}, 0],
  ["the first reading is where counting begins", 2, [{ a: 500, b: 9 }], { a: 0, b: 0 }, 0],
  ["an empty reading is none", 2, [{}, { a: 500 }], { a: 0 }, 0],
  ["what is added since counts", 2, [{ a: 5 }, { a: 7 }, { a: 7 }, { a: 20 }], { a: 15 }, 0],
  ["a counter that went back began anew", 2, [{ a: 5 }, { a: 9 }, { a: 3 }, { a: 4 }], { a: 4 + 3 + 1 }, 0],
  ["a counter that began anew without connections", 2, [{ a: 5 }, { a: 0 }, { a: 2 }], { a: 2 }, 0],
  [
    "a new port's connections go to the rest, then to its own",
    2,
    [{ a: 1 }, { a: 1, b: 6 }, { a: 1, b: 8 }],
    { a: 0, b: 2 },
    6,
  ],
  ["places go to the busiest before the first reading", 1, [{ a: 3, b: 7, c: 5 }], { b: 0 }, 0],
  ["too many idle ports get no place", 2, [{ a: 0, b: 0, c: 0 }], {}, 0],
  [
    "places go to the busiest since the last reading",
    1,
    [
      { a: 0, b: 0, c: 0 },
      { a: 1, b: 4, c: 3 },
    ],
    { b: 0 },
    8,
  ],
  ["idle ports wait, even with places free", 2, [{ a: 0, b: 4, c: 0 }], { b: 0 }, 0],
  [
    "a place is kept while others are busier",
    1,
    [
      { a: 2, b: 1 },
      { a: 2, b: 90 },
      { a: 3, b: 190 },
    ],
    { a: 1 },
    189,
  ],
  [
    "a port that is gone frees its place",
    1,
    [{ a: 2, b: 1 }, { a: 9, b: 1 }, { b: 4 }, { b: 9 }],
    { b: 5 },
    3,
  ],
  ["a port that comes back begins anew", 1, [{ a: 2 }, { a: 9 }, {}, { a: 4 }, { a: 5 }], { a: 1 }, 4],
  ["no place at all", 0, [{ a: 2 }, { a: 9 }], {}, 7],
])("%s", (_title, limit, readings, own, rest) => {
  const totals = new ServiceConnections(limit);
  for (const reading of readings) totals.update(portsOf(reading));
  expect([ownOf(totals), totals.rest]).toEqual([own, rest]);
  expect(totals.ownCount).toBe(Object.keys(own).length);
});

test("namespace, Service, port name and protocol tell ports apart; what is listed twice is one", () => {
  const port = { namespace: "ns", name: "dns", portName: "dns", protocol: "UDP", connections: 1 } as const;
  const reading = (factor: number): PortConnections[] =>
    [
      port,
      { ...port, namespace: "other", connections: 10 },
      { ...port, name: "dns2", connections: 100 },
      { ...port, portName: "dns-2", connections: 1_000 },
      { ...port, protocol: "TCP" as const, connections: 10_000 },
      { ...port, connections: 100_000 },
    ].map((each) => ({ ...each, connections: each.connections * factor }));
  const totals = new ServiceConnections(9);
  totals.update(reading(1));
  totals.update(reading(2));
  expect(Array.from(totals.own, ({ total }) => total)).toEqual([100_001, 10, 100, 1_000, 10_000]);
});

describe("any sequence of readings", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const arbitraryReading = fc.dictionary(fc.constantFrom(...names), fc.nat(20));
  const arbitraryRun = fc.record({
    limit: fc.nat(4),
    readings: fc.array(arbitraryReading, { maxLength: 12 }),
  });

  /** What is newly counted at each reading, by port; nothing at the first that has any. */
  function increments(readings: readonly Reading[]): Map<string, number>[] {
    const begin = readings.findIndex((reading) => Object.keys(reading).length > 0);
    return readings.map((reading, index) => {
      const before = readings[index - 1] ?? {};
      return new Map(
        Object.entries(reading).map(([name, now]) => {
          const since = Object.hasOwn(before, name) ? (before[name] ?? 0) : 0;
          return [name, index <= begin ? 0 : now >= since ? now - since : now];
        }),
      );
    });
  }
  const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

  test("no total falls, none jumps at its start, no connection is lost or counted twice", () => {
    fc.assert(
      fc.property(arbitraryRun, ({ limit, readings }) => {
        const totals = new ServiceConnections(limit);
        const added = increments(readings);
        let [own, rest, gone, all]: [Reading, number, number, number] = [{}, 0, 0, 0];
        for (const [index, reading] of readings.entries()) {
          totals.update(portsOf(reading));
          const next = ownOf(totals);
          all += sum(added[index]?.values() ?? []);
          for (const [name, total] of Object.entries(own)) {
            if (Object.hasOwn(reading, name)) expect(next[name]).toBe(total + (added[index]?.get(name) ?? 0));
            else gone += total;
          }
          for (const name of Object.keys(next)) if (!Object.hasOwn(own, name)) expect(next[name]).toBe(0);
          expect(totals.rest).toBeGreaterThanOrEqual(rest);
          [own, rest] = [next, totals.rest];
          expect(sum(Object.values(own)) + rest + gone).toBe(all);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("never more than the limit, only ports that exist, and none waits that was busier than a newcomer", () => {
    fc.assert(
      fc.property(arbitraryRun, ({ limit, readings }) => {
        const totals = new ServiceConnections(limit);
        const added = increments(readings);
        let own: Reading = {};
        for (const [index, reading] of readings.entries()) {
          totals.update(portsOf(reading));
          const next = ownOf(totals);
          expect(totals.ownCount).toBeLessThanOrEqual(limit);
          for (const name of Object.keys(next)) expect(Object.keys(reading)).toContain(name);
          const activity = (name: string): number => added[index]?.get(name) ?? 0;
          const waiting = Object.keys(reading).filter((name) => !Object.hasOwn(next, name));
          const counted = sum(added[index]?.values() ?? []) > 0;
          for (const name of Object.keys(next)) {
            if (Object.hasOwn(own, name) || !counted) continue;
            for (const other of waiting) expect(activity(other)).toBeLessThanOrEqual(activity(name));
          }
          if (totals.ownCount < limit) for (const name of waiting) expect(activity(name)).toBe(0);
          own = next;
        }
      }),
      { numRuns: 500 },
    );
  });
});
