/** The backend of nftables mode as the program makes it, in the network namespace that the thread is in. */
import pino from "pino";
import type { Backend } from "../../src/backends/backend.ts";
import { createBackend } from "../../src/backends/create.ts";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import type { IpFamily } from "../../src/model/types.ts";
import { CLUSTER_CIDR, MEMBERS, SERVICE_NETWORKS } from "./testbed/addresses.ts";

export interface NftablesBackendOptions {
  /** Whether the proxy knows where cluster IPs come from; default: no. */
  readonly serviceCIDRs?: boolean;
}

/** Makes and probes a backend for the testbed's node. */
export async function nftablesBackend(
  family: IpFamily,
  { serviceCIDRs = false }: NftablesBackendOptions = {},
): Promise<Backend> {
  const command = parseCommandLine(
    ["--proxy-mode=nftables", `--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`],
    { readFile: () => "" },
  );
  if ("exit" in command) throw new Error(command.error);
  const nodeIP = MEMBERS.node.address[family];
  const backend = createBackend("nftables", {
    config: command.config,
    family,
    logger: pino({ level: "silent" }),
    nodeFacts: async () => ({
      nodeIPs: [nodeIP],
      localAddresses: [nodeIP],
      podCIDR: "",
      serviceCIDRs: serviceCIDRs ? [SERVICE_NETWORKS.clusterIP[family]] : [],
    }),
  });
  if (backend === undefined) throw new Error("no such mode");
  await backend.probe();
  return backend;
}
