/** What a kernel lacks of rules that do not depend on Services. */
import { describe, expect, test } from "vitest";
import { FakeIpTables } from "#iptables-promise";
import { type ConstantRules, repairTable } from "../../../../src/backends/iptables-chains/constant-rules.ts";
import type { ChainRules, KernelState } from "../../../../src/backends/iptables-chains/kernel-state.ts";
import { readKernel } from "../../../../src/backends/iptables-chains/read-kernel.ts";
import { isEmpty, RestoreRenderer } from "../../../../src/backends/iptables-chains/restore-block.ts";
import { constantRules } from "../../../../src/backends/ipvs/rules.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { installIpvsRules, rulesOf } from "./both-modes.ts";

const JUMP = { table: "filter", from: "INPUT", to: "KUBE-A", comment: "ours", newOnly: false } as const;

const WANTED: ConstantRules = {
  chains: {
    nat: new Map(),
    filter: new Map([
      ["KUBE-B", ["-A KUBE-B -s 192.0.2.1/32 -j DROP", "-A KUBE-B -j ACCEPT"]],
      ["KUBE-A", ["-A KUBE-A -j KUBE-B"]],
    ]),
    mangle: new Map(),
  },
  jumps: [JUMP, { ...JUMP, from: "FORWARD" }, { ...JUMP, table: "nat", from: "OUTPUT" }],
};

const COMPLETE: Readonly<Record<string, readonly string[]>> = {
  INPUT: ["-A INPUT -m comment --comment ours -j KUBE-A"],
  FORWARD: ["-A FORWARD -m comment --comment ours -j KUBE-A"],
  "KUBE-PROXY-CANARY": [],
  "KUBE-B": ["-A KUBE-B -s 192.0.2.1/32 -j DROP", "-A KUBE-B -j ACCEPT"],
  "KUBE-A": ["-A KUBE-A -j KUBE-B"],
};

/** The restore document for table filter, by lines, without the first and the last. */
function repair(chains: Readonly<Record<string, readonly string[] | undefined>>): readonly string[] {
  const present = Object.entries(chains).filter(([, rules]) => rules !== undefined);
  const filter: ChainRules = new Map(present as [string, readonly string[]][]);
  const kernel: KernelState = { family: "IPv4", filter, nat: new Map(), mangle: new Map() };
  return new RestoreRenderer()
    .render(repairTable("filter", kernel, WANTED))
    .trimEnd()
    .split("\n")
    .slice(1, -1);
}

describe("a table is brought to the constant rules", () => {
  test("by nothing when all is there", () => {
    expect(repair(COMPLETE)).toEqual([]);
  });

  test("by everything on an empty kernel: chains, rules, then jumps at the head of the built-in chains", () => {
    expect(repair({ INPUT: [], FORWARD: [] })).toEqual([
      ":KUBE-B - [0:0]",
      ":KUBE-A - [0:0]",
      ":KUBE-PROXY-CANARY - [0:0]",
      "-A KUBE-B -s 192.0.2.1/32 -j DROP",
      "-A KUBE-B -j ACCEPT",
      "-A KUBE-A -j KUBE-B",
      "-I INPUT -m comment --comment ours -j KUBE-A",
      "-I FORWARD -m comment --comment ours -j KUBE-A",
    ]);
  });

  test.each<[string, readonly string[] | undefined]>([
    ["is missing", undefined],
    ["was emptied", []],
    ["lost a rule", ["-A KUBE-B -j ACCEPT"]],
    ["has another rule", ["-A KUBE-B -s 192.0.2.2/32 -j DROP", "-A KUBE-B -j ACCEPT"]],
    ["has a rule more", [...COMPLETE["KUBE-B"]!, "-A KUBE-B -j DROP"]],
    ["has its rules in another order", [...COMPLETE["KUBE-B"]!].reverse()],
  ])("by writing a chain anew that %s", (_title, rules) => {
    expect(repair({ ...COMPLETE, "KUBE-B": rules })).toEqual([
      ":KUBE-B - [0:0]",
      "-A KUBE-B -s 192.0.2.1/32 -j DROP",
      "-A KUBE-B -j ACCEPT",
    ]);
  });

  test("by the canary when it is missing", () => {
    expect(repair({ ...COMPLETE, "KUBE-PROXY-CANARY": undefined })).toEqual([":KUBE-PROXY-CANARY - [0:0]"]);
  });

  test("by a jump when it is missing", () => {
    expect(repair({ ...COMPLETE, FORWARD: [] })).toEqual(["-I FORWARD -m comment --comment ours -j KUBE-A"]);
  });

  test("by a jump when a similar one is there", () => {
    expect(repair({ ...COMPLETE, FORWARD: ["-A FORWARD -m comment --comment theirs -j KUBE-A"] })).toEqual([
      "-I FORWARD -m comment --comment ours -j KUBE-A",
    ]);
  });

  test("without a word about rules of others, wherever they stand", () => {
    const theirs = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT";
    expect(
      repair({
        ...COMPLETE,
        INPUT: [theirs, ...COMPLETE.INPUT!, theirs],
        "THEIR-CHAIN": [theirs],
        "KUBE-FIREWALL": ["-A KUBE-FIREWALL -j DROP"],
      }),
    ).toEqual([]);
  });

  test("whatever the spelling of what is there", () => {
    expect(
      repair({ ...COMPLETE, "KUBE-B": ["-A KUBE-B -s 192.0.2.1 -j DROP", "-A KUBE-B -j ACCEPT"] }),
    ).toEqual([]);
  });
});

describe.each(IP_FAMILIES)("the rules of ipvs mode, %s", (family) => {
  const THEIRS = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

  test("are all there after one repair, and the second has nothing to do", async () => {
    const iptables = new FakeIpTables({ family, rules: THEIRS });
    const wanted = constantRules(ipvsOptions(family));
    await installIpvsRules(iptables);
    const kernel = await readKernel(iptables);
    for (const table of ["mangle", "nat", "filter"] as const)
      expect(isEmpty(repairTable(table, kernel, wanted))).toBe(true);
  });

  test("come before rules of others, which stay", async () => {
    const iptables = new FakeIpTables({ family, rules: THEIRS });
    await installIpvsRules(iptables);
    const input = rulesOf(iptables.dump("filter"))["filter INPUT"]!;
    expect(input.map((rule) => / -j (\S+)$/.exec(rule)?.[1])).toEqual([
      "KUBE-IPVS-FILTER",
      "KUBE-PROXY-FIREWALL",
      "KUBE-NODE-PORT",
      "ACCEPT",
    ]);
  });

  test("follow the options", async () => {
    const iptables = new FakeIpTables({ family });
    await installIpvsRules(iptables);
    await installIpvsRules(iptables, { masqueradeAll: true, localTraffic: undefined });
    const fresh = new FakeIpTables({ family });
    await installIpvsRules(fresh, { masqueradeAll: true, localTraffic: undefined });
    expect(rulesOf(iptables.dump())).toEqual(rulesOf(fresh.dump()));
  });
});
