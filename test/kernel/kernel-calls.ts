/**
 * Calls the kernel adapters from inside a network namespace: `node kernel-calls.ts NAME JSON-ARGUMENT` prints the result
 * as JSON and fails when a descriptor is left open.
 */
import { readdirSync } from "node:fs";
import { removeLeftovers } from "../../src/backends/leftovers.ts";
import type { ProxyMode } from "../../src/config/proxy-config.ts";
import { listAddresses } from "../../src/kernel/addresses.ts";
import {
  deleteUdpFlows,
  type FlowTuple,
  listRequest,
  listUdpFlows,
  type UdpFlow,
} from "../../src/kernel/conntrack.ts";
import { applyConntrackSysctls, conntrackSysctls } from "../../src/kernel/conntrack-sysctls.ts";
import { ensureNfacctCounters, nfacctAvailable, readNfacctCounters } from "../../src/kernel/nfacct.ts";
import { ensureSysctl } from "../../src/kernel/sysctl.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import { NETLINK_NETFILTER } from "../../src/netlink/nfnetlink.ts";
import { NetlinkSocket } from "../../src/netlink/socket.ts";
import { reconcileUdpFlows } from "../../src/sync/stale-flows.ts";
import { LogCapture } from "../support/log-capture.ts";
import { NF_TABLES_CALLS } from "./nf-tables-calls.ts";

export interface ReconcileArgument {
  readonly family: IpFamily;
  readonly current: readonly ServicePort[];
  readonly previous: readonly ServicePort[];
}

const CALLS = {
  ...NF_TABLES_CALLS,
  addresses: () => listAddresses(),
  leftovers: async (kept: ProxyMode | null) => {
    const log = new LogCapture();
    const failures = await removeLeftovers(kept ?? undefined, log.logger);
    return { failures, told: log.lines.map(({ msg, mode, family }) => `${msg}: ${mode} ${family}`).sort() };
  },
  flows: async (family: IpFamily) => {
    const flows: UdpFlow[] = [];
    for await (const flow of listUdpFlows(family)) flows.push(flow);
    return flows;
  },
  /** Entries that the kernel sends for a listing, before we look at them. */
  dumpedEntries: async (family: IpFamily) => {
    using socket = NetlinkSocket.open(NETLINK_NETFILTER);
    return (await socket.dumpAll("list", listRequest(family))).length;
  },
  firstFlow: async (family: IpFamily) => {
    for await (const flow of listUdpFlows(family)) return flow;
    return undefined;
  },
  deleteFlows: (flows: readonly FlowTuple[]) => deleteUdpFlows(flows),
  reconcile: async ({ family, current, previous }: ReconcileArgument) => {
    const localAddresses = (await listAddresses()).local[family];
    const check = { current, previous, localAddresses };
    return reconcileUdpFlows(family, check, { list: listUdpFlows, delete: deleteUdpFlows });
  },
  nfacct: async (names: readonly string[]) => {
    ensureNfacctCounters(names);
    ensureNfacctCounters(names);
    return { available: await nfacctAvailable(), packets: Object.fromEntries(await readNfacctCounters()) };
  },
  conntrackSysctls: (config: Parameters<typeof conntrackSysctls>[0]) =>
    applyConntrackSysctls(conntrackSysctls(config, 1)),
  ensureSysctl: ([setting, value]: [string, number]) => ensureSysctl(setting, value),
  /** Replies to `count` refused requests, sent at once on a socket whose receive buffer is `receiveBufferBytes`. */
  flood: ({ count, receiveBufferBytes }: { count: number; receiveBufferBytes: number }) => {
    using socket = NetlinkSocket.open(NETLINK_NETFILTER, { receiveBufferBytes, sendBufferBytes: 1 << 20 });
    const request = { type: 0xff00, flags: 0, payload: Buffer.alloc(4) };
    const errnos = socket
      .exchange(new Array<typeof request>(count).fill(request))
      .map((reply) => reply.status?.errno);
    return Object.fromEntries(
      [...new Set(errnos)].map((e) => [e, errnos.filter((errno) => errno === e).length]),
    );
  },
};

export type CallName = keyof typeof CALLS;

const openFiles = (): number => readdirSync("/proc/self/fd").length;

async function main(name: CallName, argument: unknown): Promise<void> {
  const call = CALLS[name] as (argument: unknown) => unknown;
  const before = openFiles();
  const result = await call(argument);
  const leaked = openFiles() - before;
  if (leaked !== 0) throw new Error(`${name} left ${leaked} descriptors open`);
  process.stdout.write(JSON.stringify(result ?? null));
}

const [name, argument = "null"] = process.argv.slice(2);
await main(name as CallName, JSON.parse(argument));
