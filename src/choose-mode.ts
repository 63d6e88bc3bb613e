/** Which mode runs on this host, and in which families: tried before anything on the node is changed. */
import { isTransient } from "#iptables-promise";
import { type Backend, BackendError } from "./backends/backend.ts";
import { createBackend } from "./backends/create.ts";
import type { Candidate } from "./cli/parse-command-line.ts";
import { hasIPv6 } from "./kernel/addresses.ts";
import { listNodeAddresses } from "./kernel/virtual-device.ts";
import type { Logger } from "./logging/logger.ts";
import { IP_FAMILIES, type IpFamily } from "./model/types.ts";
import { NodeFacts } from "./sync/node-facts.ts";
import { explicitAddress } from "./sync/node-identity.ts";

/** A configuration whose mode can run here. */
export interface ChosenMode extends Candidate {
  readonly facts: NodeFacts;
  /** One for each family that the mode can run in; at least one. */
  readonly backends: readonly Backend[];
  /** Why it cannot run in the other one. */
  readonly failures: ReadonlyMap<IpFamily, string>;
}

/**
 * Tries the configuration's mode. Where it was nobody's choice and cannot run there is a `fallback`, which is tried then.
 * Rejects with an Error that says why for each mode that was tried, or that what failed may work in a moment.
 */
export async function chooseMode(
  candidate: Candidate,
  fallback: Candidate | undefined,
  logger: Logger,
): Promise<ChosenMode> {
  const first = await tryMode(candidate, logger);
  if (typeof first === "object") return first;
  if (fallback === undefined) throw new Error(first);
  const second = await tryMode(fallback, logger);
  if (typeof second === "string") throw new Error(`${first}; ${second}`);
  logger.warn(
    { reason: first, mode: fallback.config.mode },
    "no mode was given and the default one cannot run; running another",
  );
  return second;
}

/** Probes both families; a text says why the mode cannot run. */
async function tryMode({ config, configuration }: Candidate, logger: Logger): Promise<ChosenMode | string> {
  const facts = new NodeFacts(config);
  facts.take(await listNodeAddresses());
  const backends: Backend[] = [];
  const failures = new Map<IpFamily, string>();
  for (const family of IP_FAMILIES) {
    const nodeFacts = () => facts.now(family);
    const backend = createBackend(config.mode, { config, family, logger, nodeFacts });
    try {
      if (family === "IPv6" && !hasIPv6()) throw new BackendError("NO_IPV6", "IPv6 is off in this kernel");
      await backend.probe();
      logger.info({ family, ...(await backend.describe()) }, "family served");
      backends.push(backend);
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      // A lock that somebody holds for the moment must not decide for as long as the node runs.
      if (isTransient(error.cause))
        throw new Error(`${config.mode} mode could not be tried: ${error.message}`);
      failures.set(family, error.message);
      logger.warn({ family, reason: error.message }, "family not served");
    }
  }
  // Which family is the primary one may depend on the Node, which nobody has seen yet.
  const primaryKnown = config.manifests !== "" || explicitAddress(config) !== "";
  const missing = primaryKnown ? failures.get(facts.nodeIPs.primary) : undefined;
  const [anyFailure] = backends.length === 0 ? failures.values() : [];
  const reason = missing ?? anyFailure;
  return reason === undefined
    ? { config, configuration, facts, backends, failures }
    : `mode ${config.mode} cannot run: ${reason}`;
}
