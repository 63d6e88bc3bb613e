/** Whether the proxy may do what it has to. */
import type { Check } from "../finding.ts";
import { fine } from "../finding.ts";

/** Numbers of linux/capability.h. */
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;

const CHECK = "rights";

export const rights: Check = ({ capabilities, config, defaults, running }) => {
  if (capabilities === undefined) return [fine(CHECK, "not applicable", "capabilities cannot be read")];
  const has = (capability: bigint): boolean => ((capabilities >> capability) & 1n) === 1n;
  // The iptables programs open a raw socket: those of iptables-legacy always, either variant for rules over sets.
  const usesSets = config.mode === "ipvs" || config.mode === "userspace";
  const usesLegacy = config.mode === "iptables" && defaults.some(({ variant }) => variant === "legacy");
  const missing = [
    ...(has(CAP_NET_ADMIN) ? [] : ["CAP_NET_ADMIN"]),
    ...((usesSets || usesLegacy) && !has(CAP_NET_RAW) ? ["CAP_NET_RAW"] : []),
  ];
  const who = running === undefined ? "this user, if the proxy were started by it," : "the running proxy";
  if (missing.length === 0) return [fine(CHECK, "ok", `${who} has the capabilities that it needs`)];
  return [
    {
      check: CHECK,
      outcome: "problem",
      seen: `${who} lacks ${missing.join(" and ")}`,
      consequence: "rules cannot be read or written: nothing is programmed, and this report may lack things",
      fix: "run the proxy, and doctor, as root, or give the container these capabilities (securityContext)",
    },
  ];
};
