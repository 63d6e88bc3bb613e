/** What the kernel has of ours, and beside it, before a full pass or a removal. */
import type { ListedVirtualServer } from "#ipvs-netlink";
import { findLink } from "../../kernel/links.ts";
import { listLinkAddresses } from "../../kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import type { IpFamily, Protocol } from "../../model/types.ts";
import { listHeaders, readEntries } from "../../netlink/ipset/read.ts";
import type { SetHeader } from "../../netlink/ipset/requests.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { IpvsKernel } from "./kernel.ts";
import { SET_ROLES, type SetRole } from "./names.ts";
import { setSpec } from "./set-specs.ts";
import { serverKey } from "./virtual-server.ts";

/** Our sets as they are: a set that is not there is in none of the maps. */
export interface FoundSets {
  readonly headers: ReadonlyMap<SetRole, SetHeader>;
  /** Only of sets that have the type and family that ours have. */
  readonly entries: ReadonlyMap<SetRole, Set<string>>;
}

/** Reads all sets of a family that bear our names. Throws a NetlinkError. */
export async function findSets(socket: NetlinkSocket, family: IpFamily): Promise<FoundSets> {
  const all = new Map((await listHeaders(socket)).map((header) => [header.name, header]));
  const headers = new Map<SetRole, SetHeader>();
  const entries = new Map<SetRole, Set<string>>();
  for (const role of SET_ROLES) {
    const spec = setSpec(family, role);
    const header = all.get(spec.name);
    if (header === undefined) continue;
    headers.set(role, header);
    const isSame = header.type === spec.type && (header.family ?? spec.family) === spec.family;
    if (isSame) entries.set(role, await readEntries(socket, spec));
  }
  return { headers, entries };
}

/** Addresses of a family on our device, and the number of the device; none if there is no such device. */
export async function findAddresses(
  socket: NetlinkSocket,
  family: IpFamily,
): Promise<{ readonly index: number | undefined; readonly bound: ReadonlySet<string> }> {
  const index = findLink(socket, VIRTUAL_DEVICE)?.index;
  const bound = index === undefined ? [] : await listLinkAddresses(socket, index, family);
  return { index, bound: new Set(bound) };
}

const PROTOCOLS: ReadonlySet<unknown> = new Set<Protocol>(["TCP", "UDP", "SCTP"]);

/** All virtual servers of a family by key; those known by a mark, or of another protocol, are never ours. */
export async function findServers(
  { ipvs }: Pick<IpvsKernel, "ipvs">,
  family: IpFamily,
): Promise<ReadonlyMap<string, ListedVirtualServer>> {
  const servers = new Map<string, ListedVirtualServer>();
  for (const service of await ipvs.services()) {
    if (!("address" in service) || !PROTOCOLS.has(service.protocol)) continue;
    const { address: ip, port, protocol } = service;
    if (ip.includes(":") !== (family === "IPv6")) continue;
    servers.set(serverKey({ protocol: protocol as Protocol, ip, port }), service);
  }
  return servers;
}
