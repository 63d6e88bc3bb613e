/** Claims stand for elements: changing a claim changes just those elements, whatever it was before. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ElementChange } from "../../../../src/backends/nftables/element-change.ts";
import {
  expand,
  FIREWALL,
  ringGroup,
  ringValue,
  SERVICE_CIDRS,
} from "../../../../src/backends/nftables/expand.ts";
import { ROUTES } from "../../../../src/backends/nftables/layout.ts";
import { TableModel } from "./table.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(latin1);
const endpoints = fc.uniqueArray(bytes(8), { maxLength: 6 });
const ring = fc
  .tuple(endpoints, fc.boolean())
  .map(([slots, affinity]) => (slots.length === 0 ? undefined : ringValue(slots.join(""), affinity)));
const ranges = fc.option(
  fc.uniqueArray(bytes(8), { minLength: 1, maxLength: 4 }).map((list) => list.join("")),
  { nil: undefined },
);
const maybe = fc.constantFrom(undefined, "");
const last = fc.option(fc.constantFrom("\x0a\x00\x00\xff", "\x0a\x00\xff\xff", "\xff\xff\xff\xff"), {
  nil: undefined,
});

function latin1(array: Uint8Array): string {
  return Buffer.from(array).toString("latin1");
}

function changes(set: string, before: string | undefined, after: string | undefined): ElementChange[] {
  const key = set === SERVICE_CIDRS ? "\x0a\x00\x00\x00" : "0123456789ab";
  return [...expand({ set, key, before, after }, 4)];
}

describe("the elements of what was, changed, are the elements of what is", () => {
  it.each([
    ...ROUTES.map((route) => [ringGroup(route), ring] as const),
    [FIREWALL, ranges] as const,
    [SERVICE_CIDRS, last] as const,
    ["cluster-ips", maybe] as const,
  ])("%s", (set, value) => {
    fc.assert(
      fc.property(value, value, (before, after) => {
        const changed = new TableModel();
        changed.apply(changes(set, undefined, before));
        changed.apply(changes(set, before, after));
        const fresh = new TableModel();
        fresh.apply(changes(set, undefined, after));
        expect(changed.list()).toEqual(fresh.list());
      }),
    );
  });
});

it("one endpoint more is its element and the number", () => {
  const [set = ""] = ROUTES.map(ringGroup);
  const before = "endpoint".repeat(1);
  expect(changes(set, before, `${before}12345678`)).toHaveLength(2);
});

it("the first endpoint leaving costs its place, the last place and the number, not the ring", () => {
  const [set = ""] = ROUTES.map(ringGroup);
  expect(changes(set, "aaaaaaaabbbbbbbbcccccccc", "ccccccccbbbbbbbb")).toHaveLength(3);
});
