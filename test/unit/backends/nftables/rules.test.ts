/** That rules hang together; what they do to packets is shown by tests with a kernel. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LocalTraffic } from "../../../../src/backends/local-traffic.ts";
import {
  baseRequests,
  chainRequests,
  comparableRules,
  drawRequests,
  revisionOf,
} from "../../../../src/backends/nftables/base-table.ts";
import {
  affinityChain,
  parseAffinityChain,
  parseDrawChain,
  ROUTES,
  routeNames,
  setSpecs,
  tableOf,
} from "../../../../src/backends/nftables/layout.ts";
import type { RuleOptions } from "../../../../src/backends/nftables/options.ts";
import * as rules from "../../../../src/backends/nftables/rules.ts";
import { IP_FAMILIES, type IpFamily } from "../../../../src/model/types.ts";
import { tableOptions } from "./table.ts";

const NFT_CHAIN_MAXNAMELEN = 128;

const LOCAL_TRAFFIC: readonly (LocalTraffic | undefined)[] = [
  undefined,
  { kind: "interface", name: "cni0" },
  { kind: "interface-prefix", prefix: "veth" },
];

const VARIANTS: readonly (readonly [string, RuleOptions])[] = IP_FAMILIES.flatMap((family) =>
  [tableOptions(family).localTraffic, ...LOCAL_TRAFFIC].flatMap((localTraffic) =>
    [true, false].map((nodePortsEverywhere) => {
      const what = `${family}, pods by ${localTraffic?.kind}, node ports everywhere: ${nodePortsEverywhere}`;
      return [what, { ...tableOptions(family), localTraffic, nodePortsEverywhere }] as const;
    }),
  ),
);

const fromHex = (hex: string) => Buffer.from(hex, "hex").toString("latin1").replace("\0", "");

/** Names of the sets that a chain looks up or changes. */
const setsOf = (lines: readonly string[]) =>
  lines.flatMap((rule) =>
    [...rule.matchAll(/^(?:lookup|dynset) 1=([0-9a-f]+)/gm)].map(([, name = ""]) => fromHex(name)),
  );
/** Names of the chains that it jumps or goes to. */
const targetsOf = (lines: readonly string[]) =>
  lines.flatMap((rule) => [...rule.matchAll(/verdict -[34] (\S+)/g)].map(([, name = ""]) => name));

describe.each(VARIANTS)("%s", (_what, options) => {
  const sets = new Set(setSpecs(options.family, options.counters).map(({ name }) => name));
  const affinity = ROUTES.map((route) => rules.affinityChain(options, route, 10_800));

  test("chains come before those that lead to them, and sets exist", () => {
    const known = new Set<string>();
    for (const chain of [...rules.constantChains(options), ...affinity, rules.drawChain(3)]) {
      const lines = comparableRules(chain);
      for (const target of targetsOf(lines)) expect(known).toContain(target);
      for (const set of setsOf(lines)) expect(sets).toContain(set);
      expect(known).not.toContain(chain.name);
      known.add(chain.name);
    }
  });

  test("no set is there for nothing", () => {
    const all = [...rules.constantChains(options), ...affinity].flatMap(comparableRules);
    const used = new Set(setsOf(all));
    const unused = [...sets].filter((name) => !used.has(name));
    expect(unused).toEqual(options.nodePortsEverywhere ? ["nodeport-ips"] : []);
  });
});

describe("the revision", () => {
  const revision = (changes: Partial<RuleOptions>, family: IpFamily = "IPv4") =>
    revisionOf(baseRequests({ ...tableOptions(family), ...changes }).slice(1));

  test("is the same for the same", () => {
    expect(revision({})).toBe(revision({ localTraffic: { kind: "source", cidr: "10.0.0.0/8" } }));
    expect(revision({})).toMatch(/^rules for kube-proxy, revision [0-9a-f]{16}$/);
  });

  test.each<[string, Partial<RuleOptions>]>([
    ["the mark", { mark: 0x8000 }],
    ["counters", { counters: true }],
    ["how pods are known", { localTraffic: { kind: "source", cidr: "10.0.0.0/9" } }],
    ["where node ports answer", { nodePortsEverywhere: false }],
  ])("is another for another value of %s", (_what, changes) => {
    expect(revision(changes)).not.toBe(revision({}));
  });

  test("is another for the other family", () => {
    expect(revision({}, "IPv6")).not.toBe(revision({}));
  });
});

test("the table comes first, and every request says what it makes", () => {
  const made = baseRequests(tableOptions()).map(({ what }) => what);
  expect(made[0]).toBe("table");
  expect(made[1]).toBe("set service-ips");
  expect(made).toContain("chain nat-prerouting");
  expect(made).toContain("rule in nat-prerouting (immediate)");
});

test("requests for a chain: itself and each rule; for a draw also the way to it", () => {
  const chain = rules.drawChain(3);
  expect(chainRequests(tableOf("IPv4"), chain)).toHaveLength(1 + chain.rules.length);
  expect(drawRequests(tableOf("IPv4"), 3)).toHaveLength(2 + chain.rules.length);
});

describe("names of chains", () => {
  test("are read back", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ROUTES), fc.integer({ min: 1, max: 86_400 }), (route, number) => {
        const name = affinityChain(route, number);
        expect(name.length).toBeLessThan(NFT_CHAIN_MAXNAMELEN);
        expect(parseAffinityChain(name)).toEqual({ route, seconds: number });
        expect(parseDrawChain(name)).toBeUndefined();
        expect(parseDrawChain(rules.drawChain(number).name)).toBe(number);
      }),
    );
  });

  test.each([
    "draw-",
    "draw-0",
    "draw-03",
    "draw-3x",
    "pick",
    "pick-affinity-",
    "pick-affinity-0",
    "my-pick-affinity-3",
  ])("%s is another chain", (name) => {
    expect(parseDrawChain(name)).toBeUndefined();
    expect(parseAffinityChain(name)).toBeUndefined();
  });

  test("of routes are all different", () => {
    const names = ROUTES.flatMap((route) => Object.values(routeNames(route)));
    expect(new Set(names).size).toBe(names.length);
  });
});
