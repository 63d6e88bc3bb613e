import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodePortKey, vipKey } from "../../../../src/backends/nftables/bytes.ts";
import { expand, ringGroup, ringValue } from "../../../../src/backends/nftables/expand.ts";
import { ROUTES, type Route } from "../../../../src/backends/nftables/layout.ts";
import { slotsIn } from "../../../../src/backends/nftables/slots-in.ts";

const KEYS = { ip: vipKey("10.0.0.1", "TCP", 80), nodePort: nodePortKey("TCP", 30080) };

/** Elements as a ring makes them. */
function elementsOf(route: Route, slots: readonly string[], affinity: boolean) {
  const after = ringValue(slots.join(""), affinity);
  const elements = new Map<string, Map<string, string>>();
  for (const change of expand({ set: ringGroup(route), key: KEYS[route.way], before: undefined, after }, 4)) {
    const set = elements.get(change.set) ?? new Map<string, string>();
    set.set(change.key, change.after ?? "");
    elements.set(change.set, set);
  }
  return elements;
}

const ring = fc.uniqueArray(fc.string({ minLength: 8, maxLength: 8, unit: "binary-ascii" }), {
  minLength: 1,
});

test("the slots of a ring are found in its elements", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ROUTES), ring, fc.boolean(), (route, slots, affinity) => {
      const { way } = route;
      const find = slotsIn(elementsOf(route, slots, affinity));
      expect(find(route.ring, [{ way, key: KEYS[way] }])).toEqual(slots);
      expect(find(route.ring === "local" ? "cluster" : "local", [{ way, key: KEYS[way] }])).toEqual([]);
    }),
  );
});

describe("a ring", () => {
  const slots = ["endpoint", "and more"];

  test("is found by any of its destinations", () => {
    const find = slotsIn(elementsOf({ way: "nodePort", ring: "cluster" }, slots, false));
    const destinations = [
      { way: "ip", key: KEYS.ip },
      { way: "nodePort", key: KEYS.nodePort },
    ] as const;
    expect(find("cluster", destinations)).toEqual(slots);
  });

  test("ends at a hole", () => {
    const elements = elementsOf({ way: "ip", ring: "cluster" }, slots, false);
    elements.get("endpoints")?.delete(`${KEYS.ip}\x00\x00\x00\x00`);
    expect(slotsIn(elements)("cluster", [{ way: "ip", key: KEYS.ip }])).toEqual([]);
  });
});
