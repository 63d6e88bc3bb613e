import { expect, test } from "vitest";
import type { IpFamily } from "../../../src/model/types.ts";
import { type FamiliesInUse, judgeFamilies } from "../../../src/sync/judge-families.ts";

interface Case {
  readonly config?: Partial<FamiliesInUse["config"]>;
  readonly primary?: IpFamily;
  readonly unserved?: IpFamily;
  readonly podCIDRs?: readonly string[];
}

const IPVS = { scheduler: "rr", strictARP: false, tcpTimeoutMs: 0, tcpFinTimeoutMs: 0, udpTimeoutMs: 0 };

function judge({ config = {}, primary = "IPv4", unserved, podCIDRs = [] }: Case) {
  return judgeFamilies({
    config: {
      detectLocalMode: "ClusterCIDR",
      clusterCIDR: { IPv4: "", IPv6: "" },
      nodePortAddresses: [],
      ipvs: { ...IPVS, excludeCIDRs: [] },
      ...config,
    },
    primary,
    failures: new Map(unserved === undefined ? [] : [[unserved, "no program"]]),
    podCIDRs,
  });
}

const ONLY_IPV6 = { IPv4: "", IPv6: "fd00::/48" };

test.each<[string, Case, RegExp]>([
  [
    "a primary family that is not served",
    { primary: "IPv6", unserved: "IPv6" },
    /^the Node's primary family, IPv6, is not served: no program$/,
  ],
  [
    "clusterCIDR of the other family where only one is served",
    { config: { clusterCIDR: ONLY_IPV6 }, unserved: "IPv6" },
    /^only IPv4 is served, but clusterCIDR has only the other: fd00::\/48$/,
  ],
  [
    "podCIDRs of the other family in NodeCIDR mode",
    { config: { detectLocalMode: "NodeCIDR" }, podCIDRs: ["fd00::/64"] },
    /^IPv4 is the primary family, but the Node's podCIDRs has only the other: fd00::\/64$/,
  ],
])("%s is fatal", (_title, given, said) => {
  expect(judge(given).fatal).toMatch(said);
});

test.each<[string, Case]>([
  ["clusterCIDR of the other family where both are served", { config: { clusterCIDR: ONLY_IPV6 } }],
  ["podCIDRs of the other family that nobody uses", { podCIDRs: ["fd00::/64"] }],
  ["node ports on addresses of the other family", { config: { nodePortAddresses: ["fd00::/8"] } }],
  [
    "excluded CIDRs of a family that is not served",
    { config: { ipvs: { ...IPVS, excludeCIDRs: ["fd00::/8"] } }, unserved: "IPv6" },
  ],
])("%s is a warning", (_title, given) => {
  expect(judge(given)).toEqual({
    fatal: undefined,
    warnings: [expect.stringContaining("only the other: fd00::")],
  });
});

test.each<[string, Case]>([
  ["nothing", {}],
  ["an unserved secondary family", { unserved: "IPv6" }],
  [
    "CIDRs of both families",
    { config: { clusterCIDR: { IPv4: "10.0.0.0/8", IPv6: "fd00::/48" } }, unserved: "IPv6" },
  ],
  [
    "pods of both families",
    { config: { detectLocalMode: "NodeCIDR" }, podCIDRs: ["fd00::/64", "10.1.0.0/24"] },
  ],
  ["a keyword beside a CIDR", { config: { nodePortAddresses: ["primary", "fd00::/8"] } }],
  ["IPv6 alone on a node of IPv6", { config: { clusterCIDR: ONLY_IPV6 }, primary: "IPv6", unserved: "IPv4" }],
])("%s is fine", (_title, given) => {
  expect(judge(given)).toEqual({ fatal: undefined, warnings: [] });
});
