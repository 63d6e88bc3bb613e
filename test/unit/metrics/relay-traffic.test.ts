import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ENDPOINT_COUNTS } from "../../../src/metrics/relay-counts.ts";
import { RelayTraffic } from "../../../src/metrics/relay-traffic.ts";
import { endpointTraffic, portTraffic } from "./traffic-report.ts";

/** Connections by endpoint, by Service. */
type Reading = Readonly<Record<string, Readonly<Record<string, number>>>>;
interface Step {
  readonly ports: Reading;
  readonly starts?: number;
}

const CONNECTIONS = ENDPOINT_COUNTS.findIndex(({ counter }) => counter === "connections");

function run(limit: number, steps: readonly Step[]): RelayTraffic {
  const traffic = new RelayTraffic(limit);
  for (const step of steps) take(traffic, step);
  return traffic;
}

function take(traffic: RelayTraffic, { ports, starts = 1 }: Step): void {
  const list = Object.entries(ports).map(([name, endpoints]) =>
    portTraffic(
      name,
      Object.entries(endpoints).map(([address, count]) =>
        endpointTraffic(address, count, { active: count % 3, dialSeconds: count }),
      ),
    ),
  );
  traffic.update(starts, list);
}

/** Connections as told: `service endpoint`, `-` for all others; those without any are left out. */
function totals(traffic: RelayTraffic): Record<string, number> {
  const entries = traffic.shares.flatMap(({ port, endpoints }) =>
    [...endpoints].map(([address, { counts }]): [string, number] => [
      `${port?.name ?? "-"} ${address || "-"}`,
      counts[CONNECTIONS] ?? 0,
    ]),
  );
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

test.each<[title: string, limit: number, steps: Step[], expected: Record<string, number>]>([
  [
    "what came before the first look counts, but not for the port",
    9,
    [{ ports: { a: { x: 5 } } }],
    { "- -": 5 },
  ],
  [
    "a port and its endpoints get totals together",
    9,
    [{ ports: { a: { x: 5, y: 0 } } }, { ports: { a: { x: 6, y: 4 } } }],
    { "- -": 5, "a x": 1, "a y": 4 },
  ],
  [
    "a new endpoint's first connections are its own",
    9,
    [{ ports: { a: { x: 0 } } }, { ports: { a: { x: 1, y: 2 } } }, { ports: { a: { x: 1, y: 5 } } }],
    { "a x": 1, "a y": 5 },
  ],
  [
    "places go to the busiest port",
    1,
    [{ ports: { a: { x: 1 }, b: { x: 2 } } }, { ports: { a: { x: 11 }, b: { x: 22 } } }],
    { "- -": 13, "b x": 20 },
  ],
  ["no place at all", 0, [{ ports: { a: { x: 1 } } }, { ports: { a: { x: 3 } } }], { "- -": 3 }],
  [
    "an endpoint that is gone takes its total along",
    9,
    [{ ports: { a: { x: 0, y: 0 } } }, { ports: { a: { x: 1, y: 2 } } }, { ports: { a: { y: 2 } } }],
    { "a y": 2 },
  ],
  [
    "what fell stands still: a part of it is gone",
    9,
    [
      { ports: { a: { x: 0 } } },
      { ports: { a: { x: 9 } } },
      { ports: { a: { x: 4 } } },
      { ports: { a: { x: 5 } } },
    ],
    { "a x": 10 },
  ],
  [
    "a relay that was started anew counts from 0",
    9,
    [{ ports: { a: { x: 0 } } }, { ports: { a: { x: 9 } } }, { ports: { a: { x: 4 } }, starts: 2 }],
    { "a x": 13 },
  ],
  [
    "even when it has counted more",
    9,
    [{ ports: { a: { x: 0 } } }, { ports: { a: { x: 9 } } }, { ports: { a: { x: 12 } }, starts: 2 }],
    { "a x": 21 },
  ],
])("%s", (_title, limit, steps, expected) => {
  expect(totals(run(limit, steps))).toEqual(expected);
});

test("connections of now are those of the report, wherever they are shown", () => {
  const active = (traffic: RelayTraffic): [string | undefined, number][] =>
    traffic.shares.map(({ port, endpoints }) => [
      port?.name,
      [...endpoints.values()].reduce((total, endpoint) => total + endpoint.active, 0),
    ]);
  const traffic = run(1, [{ ports: { a: { x: 2, y: 1 }, b: { x: 1 } } }]);
  expect(active(traffic)).toEqual([
    ["a", 3],
    [undefined, 1],
  ]);
  take(traffic, { ports: { a: { x: 3 }, b: { x: 2 } } });
  expect(active(traffic)).toEqual([
    ["a", 0],
    [undefined, 2],
  ]);
});

test("a port has only so many endpoints that are told apart, the busiest", () => {
  const many = (count: number): Reading => ({
    a: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`e${index}`, index * count])),
  });
  const traffic = run(9, [{ ports: many(0) }, { ports: many(1) }, { ports: many(2) }]);
  const own = traffic.shares.find(({ port }) => port?.name === "a");
  expect([...(own?.endpoints.keys() ?? [])].sort()).toEqual(
    ["", ...Array.from({ length: 20 }, (_, index) => `e${80 + index}`)].sort(),
  );
});

describe("any sequence of readings", () => {
  const endpoints = fc.dictionary(fc.constantFrom("x", "y", "z"), fc.nat(20));
  const reading = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), endpoints);

  test("no total falls while it is there, none jumps at its start, nothing is counted twice", () => {
    fc.assert(
      fc.property(fc.nat(3), fc.array(reading, { maxLength: 8 }), (limit, readings) => {
        const traffic = new RelayTraffic(limit);
        let before = totals(traffic);
        let counted = 0;
        let possible = 0;
        let previous: Reading = {};
        for (const ports of readings) {
          take(traffic, { ports });
          const now = totals(traffic);
          for (const [name, ofPort] of Object.entries(ports))
            for (const [address, count] of Object.entries(ofPort))
              possible += Math.max(0, count - (previous[name]?.[address] ?? 0));
          for (const [key, total] of Object.entries(now)) counted += Math.max(0, total - (before[key] ?? 0));
          expect(now["- -"] ?? 0).toBeGreaterThanOrEqual(before["- -"] ?? 0);
          for (const name of Object.keys(ports)) {
            if (!Object.hasOwn(previous, name)) continue;
            for (const address of Object.keys(ports[name] ?? {})) {
              const key = `${name} ${address}`;
              const isShown = traffic.shares.some(
                ({ port, endpoints }) => port?.name === name && endpoints.has(address),
              );
              if (isShown && Object.hasOwn(previous[name] ?? {}, address))
                expect(now[key] ?? 0).toBeGreaterThanOrEqual(before[key] ?? 0);
            }
          }
          expect(traffic.shares.length).toBeLessThanOrEqual(limit + 1);
          expect(counted).toBe(possible);
          [before, previous] = [now, ports];
        }
      }),
      { numRuns: 300 },
    );
  });
});
