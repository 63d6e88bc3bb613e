/** The ranges that cluster IPs are taken from: what all ServiceCIDR objects together say. */
import { containsCidr, familyOf } from "../model/address.ts";
import { sameData } from "../model/same-data.ts";
import { IP_FAMILIES, type IpFamily, type PerFamily } from "../model/types.ts";

export class ServiceCidrs {
  readonly #objects = new Map<string, readonly string[]>();
  #ranges: PerFamily<readonly string[]> = { IPv4: [], IPv6: [] };

  /** Canonical CIDRs, sorted, none inside another. */
  ranges(family: IpFamily): readonly string[] {
    return this.#ranges[family];
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  /** Takes the canonical CIDRs of an object (undefined: it is gone); returns the families whose ranges that changed. */
  set(key: string, cidrs: readonly string[] | undefined): readonly IpFamily[] {
    if (cidrs === undefined) this.#objects.delete(key);
    else this.#objects.set(key, cidrs);
    const before = this.#ranges;
    const all = [...new Set([...this.#objects.values()].flat())].sort();
    this.#ranges = { IPv4: outermost(all, "IPv4"), IPv6: outermost(all, "IPv6") };
    return IP_FAMILIES.filter((family) => !sameData(before[family], this.#ranges[family]));
  }
}

function outermost(all: readonly string[], family: IpFamily): readonly string[] {
  const ours = all.filter((cidr) => familyOf(cidr) === family);
  return ours.filter((cidr) => !ours.some((other) => other !== cidr && containsCidr(other, cidr)));
}
