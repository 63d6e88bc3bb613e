/** Flags that upstream deprecates or no longer has, and that newer ones can say. */
import {
  FLAG_HEALTHZ_ADDRESS,
  FLAG_METRICS_ADDRESS,
  HEALTHZ_PORT,
  METRICS_PORT,
  withPort,
} from "../config/defaults.ts";
import type { Draft } from "./flag.ts";
import type { GivenFlags } from "./flag-values.ts";

/** What these flags ask for, when there is no file. Returns warnings. */
export function applyDeprecatedFlags(draft: Draft, given: GivenFlags): string[] {
  return [...applyPorts(draft, given), ...applyConntrackMax(draft)];
}

/** An absolute number of entries, as a floor under next to nothing for each core. */
function applyConntrackMax({ proxy, command: { conntrackMax } }: Draft): string[] {
  if (conntrackMax === 0) return [];
  proxy.conntrack.maxPerCore = 1;
  proxy.conntrack.min = conntrackMax;
  const instead = `--conntrack-max-per-core=1 --conntrack-min=${conntrackMax}`;
  return [`--conntrack-max is deprecated: use ${instead}, which it overrides`];
}

/**
 * --healthz-port and --metrics-port: 0 disables the server, another port completes an address that has none. A file
 * cannot say that a server is disabled, so upstream does not read them where it writes one.
 */
function applyPorts({ proxy, command }: Draft, given: GivenFlags): string[] {
  const writes = command.writeConfigTo !== "";
  const warnings: string[] = [];
  const servers = [
    ["healthz", "healthzBindAddress", writes ? HEALTHZ_PORT : command.healthzPort, FLAG_HEALTHZ_ADDRESS],
    ["metrics", "metricsBindAddress", writes ? METRICS_PORT : command.metricsPort, FLAG_METRICS_ADDRESS],
  ] as const;
  for (const [server, field, port, fallback] of servers) {
    const before = proxy[field];
    proxy[field] = port === 0 ? "" : withPort(before, port);
    if (!isGiven(given, `${server}-port`)) continue;
    if (writes) {
      warnings.push(`ignored because --write-config-to is given: --${server}-port`);
      continue;
    }
    const instead = `--${server}-bind-address`;
    if (port !== 0 && proxy[field] === before && !before.endsWith(`:${port}`)) {
      warnings.push(
        `--${server}-port=${port} has no effect on the address ${before}: use ${instead}=IP:${port}`,
      );
    } else if (port !== 0) {
      warnings.push(`--${server}-port is deprecated: use ${instead} (default ${fallback})`);
    }
  }
  return warnings;
}

function isGiven(given: GivenFlags, name: string): boolean {
  return [...given.keys()].some((flag) => flag.name === name);
}
