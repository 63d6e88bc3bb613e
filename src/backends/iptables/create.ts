/** Sets up iptables mode for a family: probes what kernel and programs can do, and prepares the kernel settings. */
import { IpTables } from "#iptables-promise";
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { readGeneration } from "../../kernel/nf-tables.ts";
import { ensureNfacctCounters, nfacctAvailable } from "../../kernel/nfacct.ts";
import { resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import { ensureSysctl, readSysctl } from "../../kernel/sysctl.ts";
import type { Logger } from "../../logging/logger.ts";
import type { CreateOptions } from "../create-options.ts";
import { hasRandomFully } from "../iptables-chains/masquerade.ts";
import { type Capabilities, NFACCT_COUNTERS } from "./capabilities.ts";
import { compileOptions } from "./compile-options.ts";
import { IptablesBackend } from "./iptables-backend.ts";

/** Makes the backend of one family. Nothing is run or changed before its `probe` and the first full pass. */
export function createIptablesBackend({ config, family, nodeFacts, logger }: CreateOptions): IptablesBackend {
  const iptables = new IpTables({ family });
  // Judged once: a rule set that changed with a sysctl would surprise more than it helped.
  let capabilities: Promise<Capabilities> | undefined;
  return new IptablesBackend({
    family,
    iptables,
    logger,
    readGeneration,
    compileOptions: async () => {
      capabilities ??= probeCapabilities(iptables, logger);
      return compileOptions(config, family, { ...(await nodeFacts()), capabilities: await capabilities });
    },
  });
}

/**
 * Lets packets to node ports on 127.0.0.1 leave the host, which the kernel refuses by default; the rules in
 * KUBE-FIREWALL close what that opens. Throws a SysctlError.
 */
export function allowLocalhostNodePorts(config: ProxyConfig): void {
  const { includesLoopback } = resolveNodePortAddresses(config.nodePortAddresses, "IPv4", [], undefined);
  if (config.localhostNodePorts && includesLoopback) ensureSysctl("net/ipv4/conf/all/route_localnet", 1);
}

async function probeCapabilities(iptables: IpTables, logger: Logger): Promise<Capabilities> {
  const { version } = await iptables.version();
  const counted = await probeCounters(logger);
  return {
    randomFully: hasRandomFully(version),
    conntrackBeLiberal: isLiberal(),
    nfacct: { ctInvalid: counted, localhost: counted },
  };
}

async function probeCounters(logger: Logger): Promise<boolean> {
  try {
    if (!(await nfacctAvailable())) return false;
    ensureNfacctCounters(Object.values(NFACCT_COUNTERS));
    return true;
  } catch (error) {
    logger.warn({ err: error }, "packet counters (nfacct) cannot be used; rules go without them");
    return false;
  }
}

function isLiberal(): boolean {
  try {
    return readSysctl("net/netfilter/nf_conntrack_tcp_be_liberal") !== "0";
  } catch {
    return false; // Without connection tracking there is nothing to be liberal about.
  }
}
