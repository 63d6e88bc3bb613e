/** One of three modes with chains is kept, or none: what they share stays for it, and nothing else stays. */
import { describe, expect, test } from "vitest";
import { FakeIpTables } from "#iptables-promise";
import { removeChains } from "../../../src/backends/iptables-chains/remove-chains.ts";
import { chainRemovals } from "../../../src/backends/leftovers.ts";
import type { ProxyMode } from "../../../src/config/proxy-config.ts";
import {
  installIpvsRules,
  installUserspaceRules,
  rulesOf,
  withIptablesRules,
} from "./iptables-chains/both-modes.ts";

const NOBODY = `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:OTHER - [0:0]
-A PREROUTING -j OTHER
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
`;

type ChainMode = Exclude<ProxyMode, "nftables">;
const MODES: readonly ChainMode[] = ["iptables", "ipvs", "userspace"];

/** Brings a rule set to the mode, whatever is in it. */
async function install(mode: ChainMode, iptables: FakeIpTables): Promise<FakeIpTables> {
  if (mode === "iptables") return withIptablesRules(iptables.dump());
  await (mode === "ipvs" ? installIpvsRules : installUserspaceRules)(iptables);
  return iptables;
}

async function withModes(...modes: readonly ChainMode[]): Promise<FakeIpTables> {
  let iptables = new FakeIpTables({ family: "IPv4", rules: NOBODY });
  for (const mode of modes) iptables = await install(mode, iptables);
  return iptables;
}

/** As `removeLeftovers` does; returns the modes of which there was something. */
async function remove(iptables: FakeIpTables, kept: ProxyMode | undefined): Promise<string[]> {
  const removed: string[] = [];
  for (const { mode, find, telltale, onlyIfThere } of chainRemovals(kept)) {
    if (onlyIfThere && !(await iptables.chainExists(...telltale))) continue;
    if (await removeChains(iptables, find)) removed.push(mode);
  }
  return removed.sort();
}

/** Chains with their rules; jumps in any order, as it tells only what was there before. */
function all(iptables: FakeIpTables): Record<string, readonly string[]> {
  const chains = Object.entries(rulesOf(iptables.dump()));
  return Object.fromEntries(
    chains.map(([name, list]) => [name, / KUBE-/.test(name) ? list : [...list].sort()]),
  );
}

const pairs = MODES.flatMap((kept) =>
  MODES.filter((mode) => mode !== kept).map((going) => [going, kept] as const),
);
/** Modes that ran one after the other without being removed. */
const HISTORIES: readonly (readonly ChainMode[])[] = [
  ...MODES.map((mode) => [mode]),
  ...pairs,
  ["iptables", "ipvs", "userspace"],
  ["userspace", "ipvs", "iptables"],
];

describe.each(pairs)("%s gives way to %s", (going, kept) => {
  test("no rule refers to its sets any more, so they can be destroyed", async () => {
    const iptables = await withModes(going);
    expect(await remove(iptables, kept)).toEqual([going]);
    expect(iptables.dump()).not.toContain("--match-set");
  });

  test("what then comes is as on a node without proxy", async () => {
    const iptables = await withModes(going);
    await remove(iptables, kept);
    expect(all(await install(kept, iptables))).toEqual(all(await withModes(kept)));
  });

  test("a second time there is nothing to do", async () => {
    const iptables = await withModes(going);
    await remove(iptables, kept);
    expect(await remove(iptables, kept)).toEqual([]);
  });
});

describe.each(MODES)("%s is kept", (kept) => {
  const [first, second] = MODES.filter((mode) => mode !== kept) as [ChainMode, ChainMode];

  test("both others go, whichever was there first", async () => {
    for (const modes of [
      [first, second],
      [second, first],
    ] as const) {
      const iptables = await withModes(...modes);
      expect(await remove(iptables, kept)).toEqual([first, second].sort());
      expect(iptables.dump()).not.toContain("--match-set");
      expect(all(await install(kept, iptables))).toEqual(all(await withModes(kept)));
    }
  });

  test("alone it is left as it is", async () => {
    const iptables = await withModes(kept);
    const before = iptables.dump();
    expect(await remove(iptables, kept)).toEqual([]);
    expect(iptables.dump()).toBe(before);
  });

  for (const going of [first, second]) {
    test(`what chains of their own are left of ${going} go, and its own rules stay`, async () => {
      const iptables = await withModes(kept);
      const before = all(iptables);
      const found = chainRemovals(kept).find(({ mode }) => mode === going);
      const [table, chain] = found?.telltale ?? [];
      await iptables.restore(`*${table}\n:${chain} - [0:0]\nCOMMIT\n`);
      expect(await remove(iptables, kept)).toEqual([going]);
      expect(all(iptables)).toEqual(before);
    });
  }
});

describe.each([undefined, "nftables"] as const)("%s is kept: no mode with chains", (kept) => {
  test.each(HISTORIES.map((modes) => ({ modes })))(
    "after $modes only rules of others are left",
    async ({ modes }) => {
      const iptables = await withModes(...modes);
      expect((await remove(iptables, kept)).length).toBeGreaterThan(0);
      expect(all(iptables)).toEqual(all(new FakeIpTables({ family: "IPv4", rules: NOBODY })));
      expect(await remove(iptables, kept)).toEqual([]);
    },
  );

  test("what an interrupted start has left goes as well", async () => {
    const iptables = await withModes();
    await iptables.restore(
      "*mangle\n:KUBE-PROXY-FIREWALL - [0:0]\nCOMMIT\n*filter\n:KUBE-SERVICES - [0:0]\nCOMMIT\n",
    );
    await remove(iptables, kept);
    expect(iptables.dump()).not.toContain("KUBE-");
  });
});
