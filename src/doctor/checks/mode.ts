/** Whether the mode can run here. */
import { IP_FAMILIES } from "../../model/types.ts";
import type { HostFacts } from "../facts.ts";
import type { Check, Finding } from "../finding.ts";
import { fine } from "../finding.ts";

const FIXES: Readonly<Record<HostFacts["config"]["mode"], string>> = {
  iptables: "install iptables and ip6tables, and let the kernel load ip_tables, ip6_tables or nf_tables",
  nftables: "use a kernel from 5.13 on with nf_tables, or another --proxy-mode",
  ipvs: "load the modules that the message names, on the host, or use another --proxy-mode",
  userspace: "install iptables and ip6tables, and let the kernel load ip_set and its types",
};

/** One finding for each family, from the running proxy or from a trial. */
export const modeWorks: Check = (facts) => IP_FAMILIES.flatMap((family) => ofFamily(facts, family));

function ofFamily(facts: HostFacts, family: (typeof IP_FAMILIES)[number]): readonly Finding[] {
  const { config, running, probes, hasIPv6 } = facts;
  const check = `${config.mode} mode, ${family}`;
  if (family === "IPv6" && !hasIPv6)
    return [fine(check, "not applicable", "the kernel has no IPv6, or it is off")];
  const report = running?.families.find((each) => each.family === family);
  const reason = running === undefined ? probes.get(family) : (report?.reason ?? "");
  if (reason === undefined) return [fine(check, "not applicable", "not tried")];
  if (reason === "")
    return [fine(check, "ok", running === undefined ? "can run" : (report?.state ?? "runs"))];
  return [
    {
      check,
      outcome: family === "IPv4" ? "problem" : "warning",
      seen: reason,
      consequence: `Services are not served over ${family}`,
      fix: FIXES[config.mode],
    },
  ];
}
