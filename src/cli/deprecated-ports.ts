/** --healthz-port and --metrics-port, which upstream deprecates. */
import { FLAG_HEALTHZ_ADDRESS, FLAG_METRICS_ADDRESS, withPort } from "../config/defaults.ts";
import type { Draft } from "./flag.ts";
import type { GivenFlags } from "./flag-values.ts";

/** 0 disables the server, another port completes an address that has none. Returns warnings. */
export function applyPorts({ proxy, command }: Draft, given: GivenFlags): string[] {
  const warnings: string[] = [];
  const servers = [
    ["healthz", "healthzBindAddress", command.healthzPort, FLAG_HEALTHZ_ADDRESS],
    ["metrics", "metricsBindAddress", command.metricsPort, FLAG_METRICS_ADDRESS],
  ] as const;
  for (const [server, field, port, fallback] of servers) {
    const before = proxy[field];
    proxy[field] = port === 0 ? "" : withPort(before, port);
    if (!isGiven(given, `${server}-port`)) continue;
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
