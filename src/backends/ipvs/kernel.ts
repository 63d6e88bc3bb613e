/** The sockets through which the mode speaks to the kernel. */
import { Ipvs } from "#ipvs-netlink";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import { openIpset } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";

export interface IpvsKernel {
  readonly ipvs: Ipvs;
  readonly sets: NetlinkSocket;
  readonly links: NetlinkSocket;
}

/** Opens them in the process's network namespace. Throws an IpvsError, or a NetlinkError. */
export function openKernel(): IpvsKernel {
  using opened = new DisposableStack();
  const kernel = {
    ipvs: opened.use(Ipvs.open()),
    sets: opened.use(openIpset()),
    links: opened.use(openRtnetlink()),
  };
  opened.move();
  return kernel;
}

export function closeKernel({ ipvs, sets, links }: IpvsKernel): void {
  ipvs.close();
  sets.close();
  links.close();
}
