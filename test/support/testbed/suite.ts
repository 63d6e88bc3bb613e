/** Runs kernel tests on both variants of iptables, or says why they cannot run. */
import { describe, it } from "vitest";
import type { IptablesVariant } from "./proxy.ts";
import { missingForTestbed } from "./testbed.ts";

/** Declares `tests` once for each variant; where a variant or root is missing, one skipped test tells the reason. */
export function describeIptables(title: string, tests: (variant: IptablesVariant) => void): void {
  for (const variant of ["nft", "legacy"] as const) {
    const missing = missingForTestbed([`/usr/sbin/iptables-${variant}`, `/usr/sbin/ip6tables-${variant}`]);
    describe(`${title}, iptables-${variant}`, () => {
      if (missing) it.skip(`skipped: ${missing}`);
      else tests(variant);
    });
  }
}
