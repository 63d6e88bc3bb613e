/** Whether the kernel can do what the table needs, found out by a transaction that makes it and is never committed. */
import { release } from "node:os";
import type { IpFamily } from "../../model/types.ts";
import { NetlinkError } from "../../netlink/errors.ts";
import { BatchError, check } from "../../netlink/nftables/batch.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { BackendError } from "../backend.ts";
import { baseRequests, chainRequests } from "./base-table.ts";
import { ROUTES, tableOf } from "./layout.ts";
import type { RuleOptions } from "./options.ts";
import { affinityChain } from "./rules.ts";

/** As upstream: the first kernel whose nf_tables has all that the mode needs. */
const OLDEST = { major: 5, minor: 13 };
/** Upstream's way out for kernels with features of later ones. */
const SKIP_CHECK = "KUBE_PROXY_NFTABLES_SKIP_KERNEL_VERSION_CHECK";

/** Throws a BackendError that says what is missing. Nothing changes in the kernel. */
export function probeKernel(socket: NetlinkSocket, family: IpFamily): void {
  if (!process.env[SKIP_CHECK] && isOlder(release())) {
    const wanted = `Linux ${OLDEST.major}.${OLDEST.minor}`;
    throw unavailable(
      family,
      `needs ${wanted}: this is ${release()} (set ${SKIP_CHECK} to try nevertheless)`,
    );
  }
  const table = { ...tableOf(family), name: `kube-proxy-probe-${process.pid}` };
  const options: RuleOptions = {
    family,
    mark: 1,
    counters: true,
    localTraffic: undefined,
    nodePortsEverywhere: true,
  };
  const trial = baseRequests(options, table);
  const [route] = ROUTES;
  if (route !== undefined) {
    for (const request of chainRequests(table, affinityChain(options, route, 60)))
      trial.push({ what: "rules of session affinity (dynset)", request });
  }
  try {
    check(
      socket,
      "try nf_tables",
      trial.map(({ request }) => request),
    );
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    const refused = error instanceof BatchError ? trial[error.request]?.what : undefined;
    throw unavailable(
      family,
      refused === undefined ? error.message : `the kernel refuses ${refused}: ${error.message}`,
    );
  }
}

function isOlder(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  return major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
}

function unavailable(family: IpFamily, why: string): BackendError {
  return new BackendError("NFTABLES_UNAVAILABLE", `nftables does not work for ${family}: ${why}`);
}
