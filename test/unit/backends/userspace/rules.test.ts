/**
 * The constant rules, character by character, and what any change of them must keep. The text for an unconfigured proxy
 * is in rules/<family>.txt, what options change of it in rules/<family>-options.txt; `UPDATE_GOLDENS=1` writes the files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ConstantRules } from "../../../../src/backends/iptables-chains/constant-rules.ts";
import type { RestoreTable } from "../../../../src/backends/iptables-chains/restore-block.ts";
import { USERSPACE_CHAINS, USERSPACE_TELLTALE } from "../../../../src/backends/userspace/cleanup.ts";
import { CHAIN, SET_ROLES, setName } from "../../../../src/backends/userspace/names.ts";
import { constantRules, JUMPS, type RuleOptions } from "../../../../src/backends/userspace/rules.ts";
import { IP_FAMILIES, type IpFamily } from "../../../../src/model/types.ts";
import {
  linesOf,
  misplacedRules,
  renderOptions,
  renderRules,
  TABLES,
} from "../../../support/constant-rules-text.ts";
import { RELAY_PORTS, userspaceOptions } from "../../../support/userspace-options.ts";

const ADDRESS = { IPv4: "192.168.0.2", IPv6: "fd00:192:168::2" } as const;

const options = (family: IpFamily): readonly (readonly [title: string, changes: Partial<RuleOptions>])[] => [
  ["pods by interface", { localTraffic: { kind: "interface", name: "cbr0" } }],
  ["pods by prefix of interfaces", { localTraffic: { kind: "interface-prefix", prefix: "veth" } }],
  ["pods unknown", { localTraffic: undefined }],
  ["an address of its own to listen on", { listenAddress: ADDRESS[family] }],
  ["addresses of clients are never kept", { keepSourceMark: 0 }],
  ["another mark", { keepSourceMark: 0x20 }],
];

function rulesWith(family: IpFamily, changes: Partial<RuleOptions> = {}): ConstantRules {
  return constantRules(userspaceOptions(family, changes), RELAY_PORTS);
}

/** Rules of a table in the order in which they are written. */
function tableOf(
  table: RestoreTable,
  family: IpFamily,
  changes: Partial<RuleOptions> = {},
): readonly string[] {
  return linesOf(rulesWith(family, changes), table);
}

describe.each(IP_FAMILIES)("in %s", (family) => {
  test.each([
    ["all rules", "", renderRules(rulesWith(family))],
    [
      "what options change",
      "-options",
      renderOptions(
        rulesWith(family),
        options(family).map(([title, changes]) => [title, rulesWith(family, changes)]),
      ),
    ],
  ])("%s", (_title, suffix, rendered) => {
    const golden = join(import.meta.dirname, "rules", `${family.toLowerCase()}${suffix}.txt`);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, rendered);
    expect(rendered).toBe(readFileSync(golden, "utf8"));
  });

  test("rules name every set of their family, and no other", () => {
    const named = TABLES.flatMap((table) => tableOf(table, family)).flatMap(
      (line) => / --match-set (\S+) /.exec(line)?.[1] ?? [],
    );
    expect(new Set(named)).toEqual(new Set(SET_ROLES.map((role) => setName(family, role))));
  });

  test.each(TABLES)("chains of %s stand behind those that they jump to", (table) => {
    expect(misplacedRules(rulesWith(family), table)).toEqual([]);
  });

  test("every port of the relay is guarded, and redirected to from one kind of source", () => {
    const nat = tableOf("nat", family);
    for (const [protocol, ports] of Object.entries(RELAY_PORTS)) {
      const guards = tableOf("filter", family).filter((line) =>
        line.includes(`-p ${protocol.toLowerCase()} -m multiport --dports ${Object.values(ports).join()} `),
      );
      expect(guards).toHaveLength(2);
      for (const port of Object.values(ports))
        expect(nat.filter((line) => line.endsWith(` --to-ports ${port}`))).toHaveLength(1);
    }
  });
});

/** First-match chains, in which the exception must come before the rule. */
describe("in the order of rules", () => {
  const inOrder = (table: RestoreTable, first: string, second: string): void => {
    const rules = tableOf(table, "IPv4");
    const [a, b] = [first, second].map((part) => rules.findIndex((rule) => rule.includes(part)));
    expect(a).toBeGreaterThanOrEqual(0);
    expect(b).toBeGreaterThan(a!);
  };

  test.each<[RestoreTable, string, string]>([
    ["nat", "--to-ports 40001", "--to-ports 40002"],
    ["nat", "--to-ports 50001", "--to-ports 50002"],
    [
      "filter",
      "--dports 40001,40002,40003 -m conntrack --ctstate DNAT -j ACCEPT",
      "40003 -m conntrack --ctstate NEW -j REJECT",
    ],
    [
      "filter",
      "--dports 50001,50002,50003 -m conntrack --ctstate DNAT -j ACCEPT",
      "50003 -m conntrack --ctstate NEW -j REJECT",
    ],
    ["mangle", "KUBE-PORTALS-SOURCE-CIDR", "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP"],
    ["mangle", "KUBE-PORTALS-SOURCE-IP", "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP"],
  ])("%s: %s before %s", inOrder);
});

test("without a way to know pods, all clients from networks are others", () => {
  const rules = tableOf("nat", "IPv4", { localTraffic: undefined });
  expect(rules.filter((rule) => /--to-ports [45]0001/.test(rule))).toEqual([]);
  expect(rules.filter((rule) => /--to-ports [45]0002/.test(rule))).toHaveLength(2);
});

describe("cleaning up knows", () => {
  const { chains } = constantRules(userspaceOptions("IPv4"), RELAY_PORTS);

  test("every chain and jump that is made", () => {
    for (const table of TABLES)
      expect(USERSPACE_CHAINS.chains[table]).toEqual(
        expect.arrayContaining([...chains[table].keys(), CHAIN.canary]),
      );
    expect(USERSPACE_CHAINS.jumps).toEqual(expect.arrayContaining([...JUMPS]));
  });

  test("every chain and jump of upstream's mode", () => {
    expect(USERSPACE_CHAINS.chains.nat).toEqual(
      expect.arrayContaining([
        "KUBE-PORTALS-CONTAINER",
        "KUBE-PORTALS-HOST",
        "KUBE-NODEPORT-CONTAINER",
        "KUBE-NODEPORT-HOST",
      ]),
    );
    expect(USERSPACE_CHAINS.chains.filter).toContain("KUBE-NODEPORT-NON-LOCAL");
    expect(USERSPACE_CHAINS.jumps.map(({ table, from, to }) => `${table} ${from} ${to}`)).toEqual(
      expect.arrayContaining([
        "nat PREROUTING KUBE-PORTALS-CONTAINER",
        "nat OUTPUT KUBE-PORTALS-HOST",
        "nat PREROUTING KUBE-NODEPORT-CONTAINER",
        "nat OUTPUT KUBE-NODEPORT-HOST",
        "filter INPUT KUBE-NODEPORT-NON-LOCAL",
      ]),
    );
  });

  test("a chain that is always there", () => {
    const [table, chain] = USERSPACE_TELLTALE;
    expect(chains[table].has(chain)).toBe(true);
  });
});
