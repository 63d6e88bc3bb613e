/** The backends of ipvs and iptables mode as the program makes them, in the network namespace that the process is in. */
import pino from "pino";
import type { Backend, ServiceChange } from "../../src/backends/backend.ts";
import { createBackend } from "../../src/backends/create.ts";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { listAddresses } from "../../src/kernel/addresses.ts";
import { VIRTUAL_DEVICE } from "../../src/kernel/virtual-device.ts";
import { canonicalIp } from "../../src/model/address.ts";
import type { IpFamily } from "../../src/model/types.ts";
import { inFamily } from "../unit/backends/iptables-backend/arbitraries.ts";
import { CLUSTER_CIDR, MEMBERS } from "./testbed/addresses.ts";

export interface IpvsBackendOptions {
  /** Default: ipvs. */
  readonly mode?: "ipvs" | "iptables";
  /** Further flags of the program. */
  readonly flags?: readonly string[];
  /** Default: true. Trying what the kernel has takes longer than a full pass. */
  readonly probed?: boolean;
}

/** Makes a backend for the node. */
export async function ipvsBackend(
  family: IpFamily,
  { mode = "ipvs", flags = [], probed = true }: IpvsBackendOptions = {},
): Promise<Backend> {
  const command = parseCommandLine(
    [`--proxy-mode=${mode}`, `--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`, ...flags],
    { readFile: () => "" },
  );
  if ("exit" in command) throw new Error(command.error);
  const backend = createBackend(mode, {
    config: command.config,
    family,
    logger: pino({ level: "silent" }),
    nodeFacts: async () => ({
      nodeIPs: [MEMBERS.node.address[family]],
      localAddresses: (await listAddresses({ exceptLink: VIRTUAL_DEVICE })).local[family],
      podCIDR: "",
      serviceCIDRs: [],
    }),
  });
  if (backend === undefined) throw new Error("no such mode");
  if (probed) await backend.probe();
  return backend;
}

/** The same Services with addresses of the family, written as the model writes them. */
export function servicesIn(changes: readonly ServiceChange[], family: IpFamily): readonly ServiceChange[] {
  const text = JSON.stringify(inFamily(changes, family));
  return JSON.parse(text.replace(/(?<=")fd00:[0-9a-f:]*/g, (ip) => canonicalIp(ip) ?? ip));
}
