/** Which of the node's addresses serve node ports (`nodePortAddresses`). Pure. */
import { contains, familyOf } from "../model/address.ts";
import type { IpFamily, PerFamily } from "../model/types.ts";

/** The choice for one family. */
export type NodePortAddresses =
  | {
      /** Every local address serves. */
      readonly all: true;
      readonly includesLoopback: true;
    }
  | {
      readonly all: false;
      /** The local addresses that serve, loopback ones among them; sorted. */
      readonly addresses: readonly string[];
      /** The configured CIDRs cover 127.0.0.1 or ::1. */
      readonly includesLoopback: boolean;
    };

const ALL: NodePortAddresses = Object.freeze({ all: true, includesLoopback: true });
const LOOPBACK: PerFamily<string> = { IPv4: "127.0.0.1", IPv6: "::1" };
const HOST_BITS: PerFamily<number> = { IPv4: 32, IPv6: 128 };

/**
 * Resolves the configured list (canonical CIDRs and the keyword `primary`) against the addresses the node has now.
 * A family that the list does not mention, or with a zero CIDR, serves on every address, as upstream has it: a list
 * with only IPv4 CIDRs leaves IPv6 node ports open. `primary` mentions both families; one in which the node has no
 * address (undefined or loopback) serves on none, since nobody asked for more.
 */
export function resolveNodePortAddresses(
  configured: readonly string[],
  family: IpFamily,
  localAddresses: readonly string[],
  nodeIP: string | undefined,
): NodePortAddresses {
  const wanted = configured.filter((entry) => entry === "primary" || familyOf(entry) === family);
  if (wanted.length === 0 || wanted.some((cidr) => cidr.endsWith("/0"))) return ALL;
  const cidrs = wanted.flatMap((entry) => (entry === "primary" ? primaryCidr(family, nodeIP) : [entry]));
  const isCovered = (address: string): boolean => cidrs.some((cidr) => contains(cidr, address));
  return {
    all: false,
    addresses: [...new Set(localAddresses.filter(isCovered))].sort(),
    includesLoopback: isCovered(LOOPBACK[family]) || cidrs.some((cidr) => isLoopback(cidr)),
  };
}

function primaryCidr(family: IpFamily, ip: string | undefined): string[] {
  return ip === undefined || ip === "" || isLoopback(ip) ? [] : [`${ip}/${HOST_BITS[family]}`];
}

/** Whether a canonical address is a link-local one of IPv6 (RFC 4291, section 2.5.6). */
export function isLinkLocal(address: string): boolean {
  return contains("fe80::/10", address);
}

/** Whether a canonical address or CIDR starts inside 127.0.0.0/8 or is ::1. */
export function isLoopback(text: string): boolean {
  return text.startsWith("127.") || text === "::1" || text === "::1/128";
}
