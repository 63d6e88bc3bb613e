/**
 * The constant rules, character by character, and what any change of them must keep. The text for an unconfigured proxy
 * is in rules/<family>.txt, what options change of it in rules/<family>-options.txt; `UPDATE_GOLDENS=1` writes the files.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ConstantRules } from "../../../../src/backends/iptables-chains/constant-rules.ts";
import type { RestoreTable } from "../../../../src/backends/iptables-chains/restore-block.ts";
import { IPVS_CHAINS, IPVS_TELLTALE } from "../../../../src/backends/ipvs/cleanup.ts";
import { SET_ROLES, setName } from "../../../../src/backends/ipvs/names.ts";
import { constantRules, JUMPS, type RuleOptions } from "../../../../src/backends/ipvs/rules.ts";
import { IP_FAMILIES, type IpFamily } from "../../../../src/model/types.ts";
import {
  linesOf,
  misplacedRules,
  renderOptions,
  renderRules,
  TABLES,
} from "../../../support/constant-rules-text.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";

const OPTIONS: readonly (readonly [title: string, changes: Partial<RuleOptions>])[] = [
  ["everything masqueraded", { masqueradeAll: true }],
  ["everything masqueraded, pods unknown", { masqueradeAll: true, localTraffic: undefined }],
  ["pods by interface", { localTraffic: { kind: "interface", name: "cbr0" } }],
  ["pods by prefix of interfaces", { localTraffic: { kind: "interface-prefix", prefix: "veth" } }],
  ["pods unknown", { localTraffic: undefined }],
  ["no random source ports", { randomFully: false }],
  ["another mark", { markText: "0x80000000" }],
];

function rulesWith(family: IpFamily, changes: Partial<RuleOptions> = {}): ConstantRules {
  return constantRules(ipvsOptions(family, changes));
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
        OPTIONS.map(([title, changes]) => [title, rulesWith(family, changes)]),
      ),
    ],
  ])("%s", (_title, suffix, rendered) => {
    const golden = join(import.meta.dirname, "rules", `${family.toLowerCase()}${suffix}.txt`);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, rendered);
    expect(rendered).toBe(readFileSync(golden, "utf8"));
  });

  test("an option replaces rules where they stand, and their number stays", () => {
    for (const [, changes] of OPTIONS) {
      for (const table of TABLES)
        expect(tableOf(table, family, changes)).toHaveLength(tableOf(table, family).length);
    }
  });

  test("rules name sets of their family, and every set but the one that only marks servers as ours", () => {
    const named = TABLES.flatMap((table) => tableOf(table, family)).flatMap(
      (line) => / --match-set (\S+) /.exec(line)?.[1] ?? [],
    );
    const sets = SET_ROLES.filter((role) => role !== "servers").map((role) => setName(family, role));
    expect(new Set(named)).toEqual(new Set(sets));
  });

  test.each(TABLES)("chains of %s stand behind those that they jump to", (table) => {
    expect(misplacedRules(rulesWith(family), table)).toEqual([]);
  });
});

/** First-match chains, in which the exception must come before the rule. */
describe("in the order of rules", () => {
  const nat = tableOf("nat", "IPv4");
  const filter = tableOf("filter", "IPv4");
  const inOrder = (rules: readonly string[], first: string, second: string): void => {
    const [a, b] = [first, second].map((part) => rules.findIndex((rule) => rule.includes(part)));
    expect(a).toBeGreaterThanOrEqual(0);
    expect(b).toBeGreaterThan(a!);
  };

  test.each(["TCP", "UDP", "SCTP-HASH"])("policy Local is decided before masquerading, %s", (name) => {
    inOrder(nat, `KUBE-NODE-PORT-LOCAL-${name} `, `KUBE-NODE-PORT-${name} `);
  });

  test("ports of Services are none of a node port's, whatever their number", () => {
    for (const name of ["CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL", "LOAD-BALANCER"])
      inOrder(nat, `--match-set KUBE-${name} dst,dst -j ACCEPT`, "--dst-type LOCAL -j KUBE-NODE-PORT");
  });

  test("allowed sources return before the drop", () => {
    inOrder(filter, "KUBE-LOAD-BALANCER-SOURCE-CIDR", "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP");
    inOrder(filter, "KUBE-LOAD-BALANCER-SOURCE-IP", "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP");
  });

  test("ports of Services return before the others are refused", () => {
    for (const name of ["CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL", "LOAD-BALANCER"])
      inOrder(filter, `-A KUBE-IPVS-FILTER -m set --match-set KUBE-${name} `, "-j REJECT");
  });
});

describe("cleaning up knows", () => {
  const { chains } = constantRules(ipvsOptions("IPv4"));

  test("every chain and jump that is made", () => {
    for (const table of TABLES)
      expect(IPVS_CHAINS.chains[table]).toEqual(
        expect.arrayContaining([...chains[table].keys(), "KUBE-PROXY-CANARY"]),
      );
    expect(IPVS_CHAINS.jumps).toEqual(expect.arrayContaining([...JUMPS]));
  });

  test("a chain that is always there", () => {
    const [table, chain] = IPVS_TELLTALE;
    expect(chains[table].has(chain)).toBe(true);
  });

  test.each([
    ["-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT", true],
    ["-A KUBE-SERVICES -m set --match-set KUBE-6-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER", true],
    ["-A KUBE-SERVICES -m set --match-set cali40all dst -j ACCEPT", false],
    ["-A KUBE-SERVICES -d 172.30.0.41/32 -p tcp -j KUBE-SVC-XPGD46QRK7WJZT7O", false],
  ])("whether only this mode writes %s", (rule, expected) => {
    expect(IPVS_CHAINS.isOnlyOurs?.(rule)).toBe(expected);
  });
});
