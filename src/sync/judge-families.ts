/** Whether families and configuration fit together, once it is known which family is the primary one. Pure. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import { familyOf } from "../model/address.ts";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";

export interface FamiliesInUse {
  readonly config: Pick<ProxyConfig, "detectLocalMode" | "clusterCIDR" | "nodePortAddresses" | "ipvs">;
  readonly primary: IpFamily;
  /** Why a family is not served. */
  readonly failures: ReadonlyMap<IpFamily, string>;
  /** Those of the Node. */
  readonly podCIDRs: readonly string[];
}

export interface FamilyJudgement {
  /** What the proxy cannot work with, as upstream sees it; undefined = nothing. */
  readonly fatal: string | undefined;
  /** Settings that are for the other family alone. */
  readonly warnings: readonly string[];
}

/** Judges as upstream does: what has always been an error ends the start, all else is only told. */
export function judgeFamilies({ config, primary, failures, podCIDRs }: FamiliesInUse): FamilyJudgement {
  const failure = failures.get(primary);
  if (failure !== undefined)
    return { fatal: `the Node's primary family, ${primary}, is not served: ${failure}`, warnings: [] };
  const singleStack = failures.size > 0;
  const cluster = singleStack ? `only ${primary} is served` : `${primary} is the primary family`;
  const isOtherAlone = (addresses: readonly string[]): boolean =>
    addresses.length > 0 && addresses.every((address) => familyOf(address) !== primary);

  const fatal: string[] = [];
  const warnings: string[] = [];
  const check = (what: string, addresses: readonly string[], isFatal: boolean): void => {
    if (!isOtherAlone(addresses)) return;
    (isFatal ? fatal : warnings).push(`${cluster}, but ${what} has only the other: ${addresses.join()}`);
  };
  const clusterCIDRs = IP_FAMILIES.map((family) => config.clusterCIDR[family]).filter(Boolean);
  check("clusterCIDR", clusterCIDRs, config.detectLocalMode === "ClusterCIDR" && singleStack);
  check("the Node's podCIDRs", podCIDRs, config.detectLocalMode === "NodeCIDR");
  // Keywords stand for addresses of both families.
  if (config.nodePortAddresses.every((address) => address.includes("/")))
    check("nodePortAddresses", config.nodePortAddresses, false);
  // Beside a second family these are of use.
  if (singleStack) check("ipvs.excludeCIDRs", config.ipvs.excludeCIDRs, false);
  return { fatal: fatal.length > 0 ? fatal.join("; ") : undefined, warnings };
}
