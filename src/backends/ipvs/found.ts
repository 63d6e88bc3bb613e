/** What the kernel has of ours, and beside it, before a full pass or a removal. */
import type { ListedVirtualServer } from "#ipvs-netlink";
import { findLink } from "../../kernel/links.ts";
import { listLinkAddresses } from "../../kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import type { IpFamily, Protocol } from "../../model/types.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { IpvsKernel } from "./kernel.ts";
import { serverKey } from "./virtual-server.ts";

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
