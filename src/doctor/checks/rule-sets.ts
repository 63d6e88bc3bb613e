/** Rules in two places at once, and rules that another mode left. */
import { IP_FAMILIES } from "../../model/types.ts";
import type { HostFacts, VariantFacts } from "../facts.ts";
import type { Check, Finding } from "../finding.ts";
import { fine } from "../finding.ts";

const CLEAN_UP =
  "stop the proxy, run kube-proxy --cleanup, which removes our rules from both, and start it again";

export const iptablesVariants: Check = (facts) => {
  const check = "iptables variants";
  const { config, variants, defaults } = facts;
  if (defaults.length === 0 && variants.length === 0)
    return [fine(check, "not applicable", "iptables is not installed")];
  const findings = [...twiceProgrammed(facts), ...(config.mode === "nftables" ? [] : othersElsewhere(facts))];
  const names = [...new Set(defaults.map(({ variant, version }) => `${variant} (${version})`))].join(", ");
  return findings.length > 0
    ? findings
    : [fine(check, "ok", `${names || "none by default"}; no rules in two places`)];
};

/** The same chains in both variants: one copy is stale. */
function twiceProgrammed({ variants }: HostFacts): readonly Finding[] {
  return IP_FAMILIES.flatMap((family): Finding[] => {
    const having = variants.filter((each) => each.family === family && each.modes.length > 0);
    if (having.length < 2) return [];
    return [
      {
        check: "iptables variants",
        outcome: "problem",
        seen: `kube-proxy's chains are in iptables-nft and in iptables-legacy (${family})`,
        consequence:
          "packets meet both copies, and one of them is no longer kept: they go to endpoints that are gone, or are refused",
        fix: CLEAN_UP,
      },
    ];
  });
}

/** Rules of kubelet, or of the host, in the variant that the proxy does not use. */
function othersElsewhere({ variants, defaults }: HostFacts): readonly Finding[] {
  return defaults.flatMap(({ family, variant }): Finding[] => {
    const other = variants.find((each) => each.family === family && each.variant !== variant);
    if (other === undefined || !isUsed(other)) return [];
    const who = other.hasKubelet ? "kubelet's rules" : `rules of other programs (${other.otherRules})`;
    return [
      {
        check: "iptables variants",
        outcome: "warning",
        seen: `the proxy uses iptables-${variant}, and ${who} are in iptables-${other.variant} (${family})`,
        consequence:
          "packets meet both sets of rules, in an order that is hard to foresee: what one accepts the other may still drop",
        fix: "let all of them use one: update-alternatives --config iptables on Debian, in the image of a container; then flush what the other has",
      },
    ];
  });
}

function isUsed({ hasKubelet, otherRules }: VariantFacts): boolean {
  return hasKubelet || otherRules > 0;
}

/** The start of the proxy removes them; until then, or after its end, they answer first. */
export const leftovers: Check = (facts) => {
  const check = "rules of other modes";
  const { config, variants, nftablesTables, hasIpvsDevice, running } = facts;
  const found = new Set<string>();
  for (const { modes } of variants) for (const mode of modes) found.add(mode);
  if (nftablesTables.length > 0) found.add("nftables");
  if (hasIpvsDevice) found.add("ipvs");
  found.delete(config.mode);
  if (found.size === 0) return [fine(check, "ok", "none")];
  const names = [...found].sort().join(" and ");
  return [
    {
      check,
      outcome: running === undefined ? "warning" : "problem",
      seen: `rules of ${names} mode are there`,
      consequence: `they answer before those of ${config.mode} mode, with endpoints that nobody keeps up to date`,
      fix:
        running === undefined
          ? "the start of the proxy removes them; or: kube-proxy --cleanup"
          : "find who makes them, most likely a second kube-proxy or another kind of it, then restart the proxy, which removes them",
    },
  ];
};

export const xtablesLock: Check = ({ config, defaults, lockHolders }) => {
  const check = "xtables lock";
  if (config.mode === "nftables" || !defaults.some(({ variant }) => variant === "legacy"))
    return [fine(check, "not applicable", "only iptables-legacy has one")];
  if (lockHolders.length === 0) return [fine(check, "ok", "nobody holds it just now")];
  return [
    {
      check,
      outcome: "warning",
      seen: `held just now by ${lockHolders.join(", ")}`,
      consequence: "if that lasts, syncs wait for it, 5 s each, fail, and are tried again",
      fix: "look again; if it is still the same process, find out what it does",
    },
  ];
};
