/** Round robin, the last resort, and affinity. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Affinity } from "../../../src/relay/affinity.ts";
import { EndpointList } from "../../../src/relay/balancer.ts";
import { Endpoint } from "../../../src/relay/endpoint.ts";

function endpoints(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, i) => new Endpoint(`10.0.0.${i + 1}:80`));
}

describe("an endpoint list", () => {
  it("takes turns, beginning anywhere", () => {
    const [a, b, c] = endpoints(3) as [Endpoint, Endpoint, Endpoint];
    const list = new EndpointList([a, b, c], 0.4);
    expect([1, 2, 3, 4].map(() => list.pick([], 0))).toEqual([b, c, a, b]);
  });

  it("never repeats what was tried, and has nothing left in the end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 100), { maxLength: 8 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (asideUntil, random) => {
          const all = endpoints(asideUntil.length);
          for (const [i, until] of asideUntil.entries()) (all[i] as Endpoint).asideUntil = until;
          const list = new EndpointList(all, random);
          const tried: Endpoint[] = [];
          for (let endpoint = list.pick(tried, 50); endpoint; endpoint = list.pick(tried, 50))
            tried.push(endpoint);
          expect(new Set(tried)).toEqual(new Set(all));
          expect(tried).toHaveLength(all.length);
          // Those put aside come last.
          const aside = tried.map(({ asideUntil }) => asideUntil > 50);
          expect(aside).toEqual([...aside].sort());
        },
      ),
    );
  });

  it("passes over what is put aside until that is over, but uses it when there is nothing else", () => {
    const [a, b] = endpoints(2) as [Endpoint, Endpoint];
    const list = new EndpointList([a, b], 0);
    a.asideUntil = 1000;
    expect([list.pick([], 999), list.pick([], 999)]).toEqual([b, b]);
    b.asideUntil = 1000;
    expect(list.pick([], 999)).toBeDefined();
    expect(new Set([list.pick([], 1000), list.pick([], 1000)])).toEqual(new Set([a, b]));
  });

  it("is empty without endpoints", () => {
    expect(new EndpointList([], 0.9).pick([], 0)).toBeUndefined();
  });
});

describe("affinity", () => {
  const [a, b] = endpoints(2) as [Endpoint, Endpoint];

  it("lasts from the last use on", () => {
    const affinity = new Affinity(1000, 10);
    affinity.remember("x", a, 0);
    expect(affinity.find("x", 999)).toBe(a);
    expect(affinity.find("x", 1998)).toBe(a);
    expect(affinity.find("x", 2998)).toBeUndefined();
    expect(affinity.size).toBe(0);
  });

  it("follows a new endpoint, and a new time-out", () => {
    const affinity = new Affinity(1000, 10);
    affinity.remember("x", a, 0);
    affinity.remember("x", b, 1);
    affinity.timeoutMs = 5000;
    expect(affinity.find("x", 4000)).toBe(b);
  });

  it("forgets the client that stayed away for longest when there are too many", () => {
    const affinity = new Affinity(1000, 3);
    for (const client of ["x", "y", "z"]) affinity.remember(client, a, 0);
    affinity.find("x", 1);
    affinity.remember("w", b, 2);
    expect(affinity.size).toBe(3);
    expect(affinity.find("y", 3)).toBeUndefined();
    expect(affinity.find("x", 3)).toBe(a);
  });

  it("sheds what is over time little by little", () => {
    const affinity = new Affinity(1000, 100);
    for (let i = 0; i < 50; i++) affinity.remember(`old ${i}`, a, 0);
    for (let i = 0; i < 20; i++) affinity.remember(`new ${i}`, b, 2000);
    expect(affinity.size).toBe(20);
  });
});
