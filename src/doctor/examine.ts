/** All checks, in the order in which people should read what they find. */
import { conntrackFill, conntrackLimit, invalidPackets } from "./checks/conntrack.ts";
import {
  bridges,
  forwarding,
  localhostNodePorts,
  localPortRange,
  reversePath,
} from "./checks/kernel-settings.ts";
import { modeWorks } from "./checks/mode.ts";
import { nodePorts, ownPorts } from "./checks/ports.ts";
import { oneProxy, proxyHealth } from "./checks/proxies.ts";
import { rights } from "./checks/rights.ts";
import { iptablesVariants, leftovers, xtablesLock } from "./checks/rule-sets.ts";
import type { HostFacts } from "./facts.ts";
import { type Check, type Finding, OUTCOMES } from "./finding.ts";

const CHECKS: readonly Check[] = [
  oneProxy,
  proxyHealth,
  rights,
  modeWorks,
  forwarding,
  bridges,
  reversePath,
  localhostNodePorts,
  localPortRange,
  conntrackFill,
  conntrackLimit,
  invalidPackets,
  iptablesVariants,
  leftovers,
  xtablesLock,
  ownPorts,
  nodePorts,
];

/** What all checks find, the worst first. Pure. */
export function examine(facts: HostFacts): readonly Finding[] {
  const rank = ({ outcome }: Finding): number => OUTCOMES.indexOf(outcome);
  return CHECKS.flatMap((check) => check(facts)).sort((a, b) => rank(a) - rank(b));
}
