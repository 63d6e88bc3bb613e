/** One mode's chains leave while another's stay, though they share some; and what nobody keeps goes. */
import { beforeEach, describe, expect, test } from "vitest";
import { FakeIpTables } from "#iptables-promise";
import { iptablesBelongings } from "../../../../src/backends/iptables/cleanup.ts";
import { apartFrom } from "../../../../src/backends/iptables-chains/apart-from.ts";
import type { KernelState } from "../../../../src/backends/iptables-chains/kernel-state.ts";
import { type Belongings, removeChains } from "../../../../src/backends/iptables-chains/remove-chains.ts";
import { IPVS_CHAINS } from "../../../../src/backends/ipvs/cleanup.ts";
import { installIpvsRules, rulesOf, withIptablesRules } from "./both-modes.ts";

/** Somebody else's rules, and kubelet's. */
const THEIRS = `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-KUBELET-CANARY - [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:CNI-HOSTPORT - [0:0]
-A PREROUTING -j CNI-HOSTPORT
-A CNI-HOSTPORT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.9:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -j KUBE-FIREWALL
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
COMMIT
`;

const removeIpvsApart = (iptables: FakeIpTables): Promise<boolean> =>
  removeChains(iptables, (kernel) => apartFrom(IPVS_CHAINS, iptablesBelongings(kernel), kernel));
const removeIptablesApart = (iptables: FakeIpTables): Promise<boolean> =>
  removeChains(iptables, (kernel) => apartFrom(iptablesBelongings(kernel), IPVS_CHAINS, kernel));

/** Chains of the proxy, with the number of their rules. */
function ours(iptables: FakeIpTables): Record<string, number> {
  const found = Object.entries(rulesOf(iptables.dump())).filter(([name]) =>
    / KUBE-(?!KUBELET-CANARY|FIREWALL)/.test(name),
  );
  return Object.fromEntries(found.map(([name, rules]) => [name, rules.length]));
}

/** Everything, by chain. */
const all = (iptables: FakeIpTables) => rulesOf(iptables.dump());

let iptables: FakeIpTables;

describe("iptables mode gives way to ipvs mode", () => {
  beforeEach(async () => {
    iptables = await withIptablesRules(THEIRS);
  });

  test("its own chains go, and shared ones that led to them are empty", async () => {
    expect(await removeIptablesApart(iptables)).toBe(true);
    expect(ours(iptables)).toEqual({
      "mangle KUBE-PROXY-CANARY": 0,
      "nat KUBE-MARK-MASQ": 1,
      "nat KUBE-POSTROUTING": 3,
      "nat KUBE-PROXY-CANARY": 0,
      "nat KUBE-SERVICES": 0,
      "filter KUBE-FORWARD": 3,
      "filter KUBE-PROXY-CANARY": 0,
      "filter KUBE-PROXY-FIREWALL": 1,
    });
  });

  test("ipvs mode then makes of it what it makes of a node without proxy", async () => {
    await removeIptablesApart(iptables);
    await installIpvsRules(iptables);
    const fresh = new FakeIpTables({ family: "IPv4", rules: THEIRS });
    await installIpvsRules(fresh);
    expect(withJumpsInAnyOrder(iptables)).toEqual(withJumpsInAnyOrder(fresh));
  });

  test("a second time there is nothing to do", async () => {
    await removeIptablesApart(iptables);
    expect(await removeIptablesApart(iptables)).toBe(false);
  });
});

describe("ipvs mode gives way to iptables mode", () => {
  beforeEach(async () => {
    iptables = new FakeIpTables({ family: "IPv4", rules: THEIRS });
    await installIpvsRules(iptables);
  });

  test("no rule refers to a set any more, so they can be destroyed", async () => {
    expect(await removeIpvsApart(iptables)).toBe(true);
    expect(iptables.dump()).not.toContain("--match-set");
    expect(ours(iptables)).toEqual({
      "mangle KUBE-PROXY-CANARY": 0,
      "nat KUBE-MARK-MASQ": 1,
      "nat KUBE-POSTROUTING": 0,
      "nat KUBE-PROXY-CANARY": 0,
      "nat KUBE-SERVICES": 0,
      "filter KUBE-FORWARD": 2,
      "filter KUBE-PROXY-CANARY": 0,
      "filter KUBE-PROXY-FIREWALL": 0,
    });
  });

  test("iptables mode then makes of it what it makes of a node without proxy", async () => {
    await removeIpvsApart(iptables);
    const after = await withIptablesRules(iptables.dump());
    expect(withJumpsInAnyOrder(after)).toEqual(withJumpsInAnyOrder(await withIptablesRules(THEIRS)));
  });

  test("upstream's chain for the node's own packets goes as well", async () => {
    await iptables.restore(
      [
        "*filter",
        ":KUBE-IPVS-OUT-FILTER - [0:0]",
        '-A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER',
        '-A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL',
        "COMMIT",
        "",
      ].join("\n"),
    );
    await removeIpvsApart(iptables);
    expect(iptables.dump()).not.toMatch(/KUBE-IPVS|kube-proxy firewall rules/);
  });
});

describe("remains of one mode beside the other, which runs", () => {
  test("chains that ipvs mode has in use are not emptied", async () => {
    iptables = new FakeIpTables({ family: "IPv4", rules: THEIRS });
    await installIpvsRules(iptables);
    const before = all(iptables);
    await iptables.restore("*nat\n:KUBE-NODEPORTS - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\nCOMMIT\n");
    expect(await removeIptablesApart(iptables)).toBe(true);
    expect(all(iptables)).toEqual(before);
  });

  test("chains that iptables mode has in use are not emptied", async () => {
    iptables = await withIptablesRules(THEIRS);
    const before = all(iptables);
    await iptables.restore("*nat\n:KUBE-NODE-PORT - [0:0]\n:KUBE-LOAD-BALANCER - [0:0]\nCOMMIT\n");
    expect(await removeIpvsApart(iptables)).toBe(true);
    expect(all(iptables)).toEqual(before);
  });
});

describe("nobody is kept", () => {
  const removeBoth = async (): Promise<readonly boolean[]> => [
    await removeIpvsApart(iptables),
    await removeChains(iptables, iptablesBelongings),
  ];

  test.each([
    ["iptables mode was there", () => withIptablesRules(THEIRS)],
    [
      "ipvs mode was there",
      async () => {
        const made = new FakeIpTables({ family: "IPv4", rules: THEIRS });
        await installIpvsRules(made);
        return made;
      },
    ],
    [
      "one was there after the other",
      async () => {
        const made = await withIptablesRules(THEIRS);
        await installIpvsRules(made);
        return made;
      },
    ],
  ])("only rules of others are left when %s", async (_title, make) => {
    iptables = await make();
    expect(await removeBoth()).toContain(true);
    expect(all(iptables)).toEqual(all(new FakeIpTables({ family: "IPv4", rules: THEIRS })));
    expect(await removeBoth()).toEqual([false, false]);
  });
});

/** Jumps are put at the head of their chains, so their order tells what was there before; nothing depends on it. */
function withJumpsInAnyOrder(rules: FakeIpTables): Record<string, readonly string[]> {
  const chains = Object.entries(all(rules));
  return Object.fromEntries(
    chains.map(([name, list]) => [name, / KUBE-/.test(name) ? list : [...list].sort()]),
  );
}

describe("of two modes by themselves", () => {
  const jump = (to: string, comment = "") =>
    ({ table: "nat", from: "OUTPUT", to, comment, newOnly: false }) as const;
  const GOING: Belongings = {
    jumps: [jump("KUBE-S"), jump("KUBE-S", "mine"), jump("KUBE-G")],
    chains: { nat: ["KUBE-S", "KUBE-G"], filter: ["KUBE-S"], mangle: [] },
    natPortions: [["KUBE-P"]],
    isOnlyOurs: (rule) => rule.includes("only-ours"),
  };
  const KEPT: Belongings = {
    jumps: [jump("KUBE-S"), { ...jump("KUBE-G"), table: "filter" }],
    chains: { nat: ["KUBE-S"], filter: [], mangle: [] },
  };
  const kernel = (rules: readonly string[]): KernelState => ({
    family: "IPv4",
    nat: new Map([["KUBE-S", rules]]),
    filter: new Map(),
    mangle: new Map(),
  });

  test("jumps and chains are shared by table, and jumps by their whole text", () => {
    expect(apartFrom(GOING, KEPT, kernel([]))).toMatchObject({
      jumps: [jump("KUBE-S", "mine"), jump("KUBE-G")],
      chains: { nat: ["KUBE-G"], filter: ["KUBE-S"], mangle: [] },
      natPortions: [["KUBE-P"]],
    });
  });

  test.each([
    ["-A KUBE-S -j KUBE-G", true],
    ["-A KUBE-S -g KUBE-P", true],
    ["-A KUBE-S -m comment --comment only-ours -j RETURN", true],
    ["-A KUBE-S -j KUBE-S2", false],
    ["-A KUBE-S -j KUBE-GG", false],
    ["-A KUBE-S -j MARK --or-mark 0x4000", false],
  ])("a shared chain with %s is emptied: %s", (rule, expected) => {
    expect(apartFrom(GOING, KEPT, kernel([rule])).emptied?.nat).toEqual(expected ? ["KUBE-S"] : []);
  });
});
