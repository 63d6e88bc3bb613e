/** From ipvs mode to another one and back, on a real kernel: all of the one goes, nothing of the other does. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../../../src/backends/backend.ts";
import { type RemovalOptions, removeLeftovers } from "../../../src/backends/leftovers.ts";
import type { ProxyMode } from "../../../src/config/proxy-config.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { ipvsBackend } from "../../support/ipvs-backend.ts";
import { enterNewNode, iptablesProgram, run } from "../../support/ipvs-node.ts";
import { fullServices } from "../../support/ipvs-services.ts";
import { type IpvsState, ipvsState } from "../../support/ipvs-state.ts";
import { leaveUpstream } from "../../support/ipvs-upstream.ts";
import { LogCapture } from "../../support/log-capture.ts";

type Mode = "ipvs" | "iptables";

const BUILT_IN = / (?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;

/** Jumps may stand in any order: the chains are written so that it does not matter. */
function state(): IpvsState {
  const { rules, ...rest } = ipvsState();
  const sorted = Object.entries(rules).map(([chain, found]) => [
    chain,
    BUILT_IN.test(chain) ? found.toSorted() : found,
  ]);
  return { ...rest, rules: Object.fromEntries(sorted) };
}

function modules(): string[] {
  return run("cat", "/proc/modules")
    .split("\n")
    .map((line) => line.split(" ")[0] ?? "")
    .sort();
}

async function start(mode: Mode): Promise<Backend[]> {
  const proxies = await Promise.all(
    IP_FAMILIES.map((family) => ipvsBackend(family, { mode, probed: false })),
  );
  for (const proxy of proxies) expect((await proxy.resync(fullServices(proxy.family))).refused).toEqual([]);
  return proxies;
}

/** Returns what was told. */
async function remove(kept: ProxyMode | undefined, options?: RemovalOptions): Promise<string[]> {
  const log = new LogCapture();
  expect(await removeLeftovers(kept, log.logger, options)).toBe(0);
  return log.lines.map(({ msg, mode, family }) => `${msg}: ${mode} ${family}`).sort();
}

const toldOf = (...modes: ProxyMode[]): string[] =>
  modes
    .flatMap((mode) => IP_FAMILIES.map((family) => `removed the rules of a mode: ${mode} ${family}`))
    .sort();

/** Some of what upstream's iptables mode writes: each chain that both modes have is written anew. */
const UPSTREAM_IPTABLES = `*filter
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-I INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-I FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SERVICES -p tcp -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-AAAAAAAAAAAAAAAA -j KUBE-MARK-MASQ
COMMIT
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
`;
/** The jumps that both modes have by the same words, and write only where they are missing. */
const COMMON_JUMPS = `*filter
-I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
COMMIT
*nat
-I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
COMMIT
`;

function restore(input: string): void {
  for (const family of IP_FAMILIES) run(`${iptablesProgram(family)}-restore`, "--noflush", { input });
}

describe("switching modes", () => {
  let leave: () => void;
  /** Of nodes on which nothing else ever was. */
  let empty: IpvsState;
  const alone = {} as Record<Mode | "upstream's iptables", IpvsState>;

  const onNewNode = async (work: () => unknown): Promise<IpvsState> => {
    const goBack = enterNewNode();
    try {
      await work();
      return state();
    } finally {
      goBack();
    }
  };

  beforeAll(async () => {
    empty = await onNewNode(() => {});
    for (const mode of ["ipvs", "iptables"] as const) alone[mode] = await onNewNode(() => start(mode));
    alone["upstream's iptables"] = await onNewNode(() => {
      restore(UPSTREAM_IPTABLES);
      restore(COMMON_JUMPS);
    });
  });

  beforeEach(() => {
    leave = enterNewNode();
  });

  afterEach(() => leave?.());

  const WAYS = [
    ["ipvs", "iptables"],
    ["iptables", "ipvs"],
  ] as const satisfies readonly (readonly [Mode, Mode])[];

  it.each(WAYS)(
    "%s to %s, as at start: the new mode's state is as if the old one had never been",
    async (from, to) => {
      await start(from);
      expect(await remove(to)).toEqual(toldOf(from));
      await start(to);
      expect(state()).toEqual(alone[to]);
      const before = ipvsState();
      expect(await remove(to)).toEqual([]);
      expect(ipvsState()).toEqual(before);
    },
  );

  it.each(WAYS)(
    "%s under %s: only the old one goes, and the new one's rules are not touched",
    async (from, to) => {
      await start(from);
      const proxies = await start(to);
      expect(await remove(to)).toEqual(toldOf(from));
      expect(state()).toEqual(alone[to]);
      for (const proxy of proxies) {
        expect(await proxy.checkDrift()).toBeUndefined();
        const { written } = await proxy.resync(fullServices(proxy.family));
        expect(new Set(Object.values(written))).toEqual(new Set([0]));
      }
    },
  );

  it.each([undefined, "nftables"] as const)("ipvs to %s: nothing is left", async (kept) => {
    await start("ipvs");
    expect(await remove(kept)).toEqual(toldOf("ipvs"));
    expect(state()).toEqual(empty);
    expect(await remove(kept)).toEqual([]);
  });

  it("--cleanup-ipvs=false leaves virtual servers and addresses, which a later --cleanup still knows as ours", async () => {
    await start("ipvs");
    const { virtualServers, addresses } = state();
    await remove(undefined, { keepVirtualServers: true });
    const { sets, ...left } = state();
    expect(left).toEqual({ virtualServers, addresses, rules: empty.rules });
    const names = Object.keys(sets).map((set) => set.split(" ")[0]);
    expect(names.sort()).toEqual(["KUBE-6-IPVS-SERVERS", "KUBE-IPVS-SERVERS"]);
    expect(await remove(undefined)).toEqual(toldOf("ipvs"));
    expect(state()).toEqual(empty);
  });

  it("ipvs and iptables to nothing: neither is left", async () => {
    await start("iptables");
    await start("ipvs");
    expect(await remove(undefined)).toEqual(toldOf("ipvs", "iptables"));
    expect(state()).toEqual(empty);
  });

  it("upstream's iptables mode over upstream's ipvs mode: what is kept is not touched, the rest goes", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    restore(UPSTREAM_IPTABLES);
    expect(await remove("iptables")).toEqual(toldOf("ipvs"));
    expect(state()).toEqual(alone["upstream's iptables"]);
    expect(await remove("iptables")).toEqual([]);
  });

  it("upstream's iptables mode over upstream's ipvs mode, to our ipvs mode: only ours is left", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    restore(UPSTREAM_IPTABLES);
    expect(await remove("ipvs")).toEqual(toldOf("iptables"));
    const proxies = await start("ipvs");
    for (const proxy of proxies) await proxy.tend?.();
    expect(state()).toEqual(alone.ipvs);
  });

  it("upstream's iptables mode over upstream's ipvs mode, to nothing: neither is left", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    restore(UPSTREAM_IPTABLES);
    expect(await remove(undefined)).toEqual(toldOf("ipvs", "iptables"));
    expect(state()).toEqual(empty);
  });

  it.each(["ipvs", "iptables"] as const)(
    "%s and nothing of another mode: nothing changes, no module is loaded",
    async (mode) => {
      await start(mode);
      const before = ipvsState();
      const loaded = modules();
      expect(await remove(mode)).toEqual([]);
      expect(modules()).toEqual(loaded);
      expect(ipvsState()).toEqual(before);
    },
  );
});
