/** Runs kernel tests in every proxy mode, and on both variants of iptables, or says why they cannot run. */
import { describe, it } from "vitest";
import type { IptablesVariant, ProxyOptions } from "./proxy.ts";
import { missingForTestbed } from "./testbed.ts";

/** A way to run the proxy that has to pass the tests of behaviour. */
export interface ProxyKind {
  readonly title: string;
  readonly mode: "iptables" | "nftables" | "ipvs" | "userspace";
  /** What of it concerns {@link ProxyOptions}. */
  readonly options: Pick<ProxyOptions, "mode" | "variant">;
  /** Programs that these tests use on it. */
  readonly needs: readonly string[];
}

const HOST_KINDS: readonly ProxyKind[] = [
  ...(["nft", "legacy"] as const).map(
    (variant): ProxyKind => ({
      title: `iptables-${variant}`,
      mode: "iptables",
      options: { mode: "iptables", variant },
      needs: [`/usr/sbin/iptables-${variant}`, `/usr/sbin/ip6tables-${variant}`],
    }),
  ),
  { title: "nftables", mode: "nftables", options: { mode: "nftables" }, needs: ["/usr/sbin/nft"] },
  {
    title: "userspace",
    mode: "userspace",
    options: { mode: "userspace", variant: "nft" },
    needs: ["/usr/sbin/iptables-nft", "/usr/sbin/ip6tables-nft"],
  },
];

/** Inside user-mode Linux, whose kernel has IPVS and lacks most of nf_tables. */
const INSIDE_KINDS: readonly ProxyKind[] = [
  {
    title: "ipvs",
    mode: "ipvs",
    options: { mode: "ipvs", variant: "legacy" },
    needs: ["/usr/sbin/iptables-legacy", "/usr/sbin/ip6tables-legacy"],
  },
];

/** The kinds that this kernel can run: set by those who start user-mode Linux, for there is no other difference to see. */
export const PROXY_KINDS = process.env.KUBE_PROXY_TEST_MODE === "ipvs" ? INSIDE_KINDS : HOST_KINDS;

/** Declares `tests` once for each kind; where a program or root is missing, one skipped test tells the reason. */
export function describeKinds(title: string, tests: (kind: ProxyKind) => void): void {
  for (const kind of PROXY_KINDS) describeKind(title, kind, () => tests(kind));
}

/** The same for tests of what only iptables mode has. */
export function describeIptables(title: string, tests: (variant: IptablesVariant) => void): void {
  for (const kind of PROXY_KINDS) {
    const { variant } = kind.options;
    if (kind.mode === "iptables" && variant !== undefined) describeKind(title, kind, () => tests(variant));
  }
}

/** The same for tests of what only nftables mode has. */
export function describeNftables(title: string, tests: () => void): void {
  for (const kind of PROXY_KINDS) if (kind.mode === "nftables") describeKind(title, kind, tests);
}

function describeKind(title: string, { title: kind, needs }: ProxyKind, tests: () => void): void {
  const missing = missingForTestbed(needs);
  describe(`${title}, ${kind}`, () => {
    if (missing) it.skip(`skipped: ${missing}`);
    else tests();
  });
}
