/** Connection tracking: how full its table is, and what it throws away. */
import { conntrackSysctls } from "../../kernel/conntrack-sysctls.ts";
import type { Check } from "../finding.ts";
import { fine } from "../finding.ts";

const MAX = "net/netfilter/nf_conntrack_max";
/** Shares of the table in use. */
const HIGH = 0.75;
const FULL = 0.95;

export const conntrackFill: Check = ({ sysctls }) => {
  const check = "connection tracking table";
  const [count, max] = ["net/netfilter/nf_conntrack_count", MAX].map((name) => Number(sysctls.get(name)));
  if (count === undefined || max === undefined || !(max > 0))
    return [fine(check, "not applicable", "the kernel does not tell how full it is")];
  const seen = `${count} of ${max} entries in use (${Math.round((count / max) * 100)} %)`;
  if (count < max * HIGH) return [fine(check, "ok", seen)];
  return [
    {
      check,
      outcome: count >= max * FULL ? "problem" : "warning",
      seen,
      consequence:
        "when it is full, new connections are dropped, of Services and all others, while old ones go on",
      fix: "raise --conntrack-max-per-core or --conntrack-min and restart the proxy; find who opens so many: conntrack -L",
    },
  ];
};

/** What the proxy asked for at its start, and others may have set since. */
export const conntrackLimit: Check = ({ sysctls, config, cpus, running }) => {
  const check = "connection tracking limit";
  const wanted = conntrackSysctls(config.conntrack, cpus).find(({ setting }) => setting === MAX)?.value;
  const max = Number(sysctls.get(MAX));
  if (wanted === undefined) return [fine(check, "not applicable", "the configuration leaves the kernel's")];
  if (running === undefined)
    return [fine(check, "not applicable", `the proxy sets it to ${wanted} at its start`)];
  if (!(max < wanted)) return [fine(check, "ok", `${max}`)];
  return [
    {
      check,
      outcome: "warning",
      seen: `nf_conntrack_max is ${max}, and the configuration asks for ${wanted}`,
      consequence: "the table is full sooner than planned",
      fix: "the log at the start of the proxy says whether it could set it; it takes the host's network namespace and a writable /proc/sys. In a nested container: --conntrack-max-per-core=0",
    },
  ];
};

/** So few are normal: late packets of connections that have ended. */
const MANY_INVALID = 1_000;

/** Only iptables mode drops them, as upstream's. */
export const invalidPackets: Check = ({ sysctls, config, invalidPackets: count }) => {
  const check = "invalid packets";
  const liberal = (sysctls.get("net/netfilter/nf_conntrack_tcp_be_liberal") ?? "0") !== "0";
  if (config.mode !== "iptables")
    return [fine(check, "not applicable", `${config.mode} mode does not drop them`)];
  if (liberal) return [fine(check, "ok", "connection tracking is liberal")];
  if (count === undefined) return [fine(check, "not applicable", "the kernel does not count them")];
  if (count < MANY_INVALID) return [fine(check, "ok", `${count} since the host started`)];
  return [
    {
      check,
      outcome: "warning",
      seen: `connection tracking called ${count} packets invalid`,
      consequence:
        "such packets are dropped when they are forwarded: where replies take another way than requests (asymmetric routes), long connections hang",
      fix: "if connections hang: --conntrack-tcp-be-liberal, and restart the proxy",
    },
  ];
};
