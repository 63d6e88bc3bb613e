/** The ranges of cluster IPs, from the objects to what the backends are told. */
import { describe, expect, test } from "vitest";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { parseServiceCIDR } from "../../../src/store/parse-service-cidr.ts";
import type { Store } from "../../../src/store/store.ts";
import { recordingStore } from "./objects.ts";

const object = (name: string, cidrs: unknown) => ({ metadata: { name }, spec: { cidrs } });
const ranges = (store: Store) => IP_FAMILIES.flatMap((family) => store.serviceCIDRs(family));

describe("parsing", () => {
  test.each<[string, unknown, readonly string[], readonly string[]]>([
    ["ranges, in canonical form", ["10.96.7.0/12", "FD00::/108"], ["10.96.0.0/12", "fd00::/108"], []],
    ["no list", undefined, [], []],
    ["an empty list", [], [], []],
    ["something else than a list", "10.96.0.0/12", [], ["spec.cidrs"]],
    [
      "entries that are no ranges",
      ["10.96.0.0", 7, "10.96.0.0/33", "10.97.0.0/16"],
      ["10.97.0.0/16"],
      ["spec.cidrs[0]", "spec.cidrs[1]", "spec.cidrs[2]"],
    ],
  ])("%s", (_title, cidrs, expected, fields) => {
    const { key, record, problems } = parseServiceCIDR(object("kubernetes", cidrs));
    expect([key, record, problems.map(({ field }) => field)]).toEqual(["kubernetes", expected, fields]);
  });

  test.each([[undefined], ["text"], [[]], [{}], [{ metadata: { name: "A B" } }], [{ metadata: 7 }]])(
    "%j has no name and is skipped, with one problem",
    (input) => {
      const { record, problems } = parseServiceCIDR(input);
      expect([record, problems.length]).toEqual([undefined, 1]);
      expect(problems[0]?.kind).toBe("ServiceCIDR");
    },
  );
});

describe("the store", () => {
  test("joins objects, drops ranges inside others, and tells only of what changed", () => {
    const { store, serviceCIDRs, problems } = recordingStore();
    store.upsert("ServiceCIDR", object("kubernetes", ["10.96.0.0/16", "fd00::/112"]));
    store.upsert("ServiceCIDR", object("kubernetes", ["10.96.0.0/16", "fd00::/112"]));
    store.upsert("ServiceCIDR", object("inside", ["10.96.128.0/24"]));
    store.upsert("ServiceCIDR", object("more", ["10.11.0.0/16"]));
    expect(ranges(store)).toEqual(["10.11.0.0/16", "10.96.0.0/16", "fd00::/112"]);
    store.upsert("ServiceCIDR", object("kubernetes", ["fd00::/112"]));
    expect(ranges(store)).toEqual(["10.11.0.0/16", "10.96.128.0/24", "fd00::/112"]);
    expect(serviceCIDRs).toEqual([["IPv4", "IPv6"], ["IPv4"], ["IPv4"]]);
    expect(problems).toEqual([]);
  });

  test("two objects may say the same; only when both are gone is the range", () => {
    const { store, serviceCIDRs } = recordingStore();
    store.upsert("ServiceCIDR", object("a", ["10.96.0.0/16"]));
    store.upsert("ServiceCIDR", object("b", ["10.96.0.0/16"]));
    store.delete("ServiceCIDR", "a");
    expect(ranges(store)).toEqual(["10.96.0.0/16"]);
    store.retain("ServiceCIDR", new Set());
    expect(ranges(store)).toEqual([]);
    expect(serviceCIDRs).toEqual([["IPv4"], ["IPv4"]]);
  });

  test("reports a bad entry once and keeps the good ones", () => {
    const { store, problems } = recordingStore();
    for (let i = 0; i < 2; i++) store.upsert("ServiceCIDR", object("a", ["10.96.0.0/16", "x"]));
    expect(ranges(store)).toEqual(["10.96.0.0/16"]);
    expect(problems.map(({ message }) => message)).toEqual(['spec.cidrs[1] is "x": must be a CIDR; skipped']);
  });
});
