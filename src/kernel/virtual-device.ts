/** The device that ipvs mode, upstream's and ours, keeps the addresses of Services on. */
import { type HostAddresses, listAddresses } from "./addresses.ts";

/** Its addresses belong to Services: they say nothing about the node, in whatever mode the program runs. */
export const VIRTUAL_DEVICE = "kube-ipvs0";

/** The node's addresses without those that are Services' only. Throws a NetlinkError. */
export function listNodeAddresses(): Promise<HostAddresses> {
  return listAddresses({ exceptLink: VIRTUAL_DEVICE });
}
