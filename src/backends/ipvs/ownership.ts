/** Which of the kernel's virtual servers are ours: the kernel keeps no owner, so it is told from where they are. Pure. */
import { contains } from "../../model/address.ts";
import { ipPort } from "../ip-sets/entries.ts";
import type { SetRole } from "./names.ts";
import type { ServerAddress } from "./virtual-server.ts";

/** What was found in the kernel before anything was changed. */
export interface Traces {
  /** Entries of our sets, by role; a set that was not there is missing. */
  readonly entries: ReadonlyMap<SetRole, ReadonlySet<string>>;
  /** Addresses on our device. */
  readonly bound: ReadonlySet<string>;
  /** Addresses of the node on other devices. */
  readonly localAddresses: ReadonlySet<string>;
}

/** Sets in which upstream's mode has the addresses of its virtual servers, other than those of node ports. */
const UPSTREAM_SETS: readonly SetRole[] = ["clusterIP", "externalIP", "externalIPLocal", "loadBalancer"];

/**
 * Whether a virtual server is ours: it is in our own set, or its address is on our device, where nobody else has any
 * business. Without that set the node was last served by upstream's mode, whose sets tell.
 */
export function isOurs(server: ServerAddress, { entries, bound, localAddresses }: Traces): boolean {
  const { protocol, ip, port } = server;
  if (bound.has(ip)) return true;
  const entry = ipPort(ip, protocol, port);
  const own = entries.get("servers");
  if (own !== undefined) return own.has(entry);
  if (UPSTREAM_SETS.some((role) => entries.get(role)?.has(entry))) return true;
  const nodePorts = entries.get(`nodePort${protocol}`);
  return localAddresses.has(ip) && (nodePorts?.has(protocol === "SCTP" ? entry : String(port)) ?? false);
}

/** Whether the configuration protects an address from our deleting its virtual servers. */
export function isExcluded(ip: string, excludeCIDRs: readonly string[]): boolean {
  return excludeCIDRs.some((cidr) => contains(cidr, ip));
}
