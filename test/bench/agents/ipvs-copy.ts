/** Reads everything of IPv4 that ipvs mode has in the kernel, in the process's network namespace, and times the kernel. */
import { SET_ROLES } from "../../../src/backends/ipvs/names.ts";
import { setSpec } from "../../../src/backends/ipvs/set-specs.ts";
import { encodeCommand, encodeServiceId } from "../../../src/ipvs-netlink/encode.ts";
import {
  Ipvs,
  type ListedRealServer,
  type ListedVirtualServer,
  type RealServer,
  type VirtualServer,
} from "../../../src/ipvs-netlink/index.ts";
import {
  IPVS_CMD_GET_DEST,
  IPVS_CMD_GET_SERVICE,
  IPVS_GENL_NAME,
} from "../../../src/ipvs-netlink/protocol.ts";
import { listRequest } from "../../../src/kernel/addresses.ts";
import { findLink } from "../../../src/kernel/links.ts";
import { openRtnetlink } from "../../../src/kernel/rtnetlink.ts";
import { listLinkAddresses } from "../../../src/kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../../src/kernel/virtual-device.ts";
import { NETLINK_GENERIC, resolveFamily } from "../../../src/netlink/generic.ts";
import { AF_INET } from "../../../src/netlink/inet.ts";
import { readEntries } from "../../../src/netlink/ipset/read.ts";
import { entriesRequest, type SetSpec } from "../../../src/netlink/ipset/requests.ts";
import { openIpset } from "../../../src/netlink/ipset/sets.ts";
import type { NetlinkRequest } from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";

export interface CopiedServer {
  readonly service: VirtualServer;
  readonly destinations: readonly RealServer[];
}

export interface CopiedSet {
  readonly spec: SetSpec;
  readonly entries: readonly string[];
}

export interface IpvsCopy {
  readonly servers: readonly CopiedServer[];
  readonly sets: readonly CopiedSet[];
  readonly addresses: readonly string[];
  /** What the kernel took to tell all that, without anybody understanding it. */
  readonly dumpMs: number;
}

export async function readIpvs(): Promise<IpvsCopy> {
  using ipvs = Ipvs.open();
  using ipset = openIpset();
  using links = openRtnetlink();
  const services = await ipvs.services();
  const servers: CopiedServer[] = [];
  for (const service of services)
    servers.push({ service, destinations: (await ipvs.destinations(service)).map(copied).toReversed() });
  const sets: CopiedSet[] = [];
  for (const role of SET_ROLES) {
    const spec = setSpec("IPv4", role);
    sets.push({ spec, entries: [...(await readEntries(ipset, spec))] });
  }
  const device = findLink(links, VIRTUAL_DEVICE);
  const addresses = device === undefined ? [] : await listLinkAddresses(links, device.index, "IPv4");
  // The kernel lists its hash tables, and lists of servers from the end.
  servers.sort((one, other) => compare(one.service, other.service));
  return { servers, sets, addresses, dumpMs: await timeDumps(services, { ipset, links }) };
}

/** All of ours are masqueraded, which is the default. */
function copied({ address, port, weight }: ListedRealServer): RealServer {
  return { address, port, weight };
}

function compare(one: VirtualServer, other: VirtualServer): number {
  const text = (server: VirtualServer): string => ("address" in server ? server.address : "");
  return text(one).localeCompare(text(other), "en", { numeric: true });
}

async function timeDumps(
  services: readonly ListedVirtualServer[],
  { ipset, links }: { readonly ipset: NetlinkSocket; readonly links: NetlinkSocket },
): Promise<number> {
  using generic = NetlinkSocket.open(NETLINK_GENERIC);
  const type = resolveFamily(generic, IPVS_GENL_NAME).id;
  const about = (payload: Uint8Array): readonly [NetlinkSocket, NetlinkRequest] => [
    generic,
    { type, flags: 0, payload },
  ];
  const dumps = [
    about(encodeCommand(IPVS_CMD_GET_SERVICE)),
    ...services.map((service) => about(encodeServiceId(IPVS_CMD_GET_DEST, service))),
    ...SET_ROLES.map((role) => [ipset, entriesRequest(setSpec("IPv4", role).name)] as const),
    [links, listRequest(AF_INET)] as const,
  ];
  const started = performance.now();
  for (const [socket, request] of dumps) for await (const _ of socket.dump("time a dump", request));
  return performance.now() - started;
}
