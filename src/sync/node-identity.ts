/** Who this node is: its name and its addresses, from configuration, Node object or interfaces. */
import { hostname } from "node:os";
import type { ProxyConfig } from "../config/proxy-config.ts";
import { familyOf } from "../model/address.ts";
import { IP_FAMILIES, type IpFamily, type PerFamily } from "../model/types.ts";
import type { NodeRecord } from "../store/parse-node.ts";

const LOOPBACK: PerFamily<string> = { IPv4: "127.0.0.1", IPv6: "::1" };
const UNSPECIFIED = ["0.0.0.0", "::"];

/** The Node's name: the override or the host's name, trimmed and in lower case. Throws when that leaves nothing. */
export function nodeNameOf(config: Pick<ProxyConfig, "hostnameOverride">): string {
  const name = (config.hostnameOverride || hostname()).trim().toLowerCase();
  if (name === "") throw new Error("the host has no name: set --hostname-override");
  return name;
}

/** The node's address in each family, and which family comes first. Empty string = none known. */
export interface NodeIPs {
  readonly ips: PerFamily<string>;
  readonly primary: IpFamily;
}

/** What of a Node tells its addresses. */
type AddressedNode = Pick<NodeRecord, "internalIPs" | "externalIPs">;

/** The addresses the proxy goes by: the Node's first InternalIP, else ExternalIP, and the first of the other family. */
export function addressesOf({ internalIPs, externalIPs }: AddressedNode): readonly string[] {
  const all = [...internalIPs, ...externalIPs];
  const [first] = all;
  if (first === undefined) return [];
  const second = all.find((ip) => familyOf(ip) !== familyOf(first));
  return second === undefined ? [first] : [first, second];
}

/**
 * The addresses by which the cluster knows this node. An explicit --bind-address wins for its family and makes it the
 * primary one; then those of the Node; then, without a Node, the first address by which other hosts may know this one.
 */
export function nodeIPsOf(
  config: Pick<ProxyConfig, "bindAddress">,
  node: AddressedNode | undefined,
  outwardAddresses: PerFamily<readonly string[]>,
): NodeIPs {
  const known =
    node === undefined ? IP_FAMILIES.flatMap((family) => outwardAddresses[family]) : addressesOf(node);
  const explicit = explicitAddress(config);
  const ordered = explicit === "" ? known : [explicit, ...known];
  const firstOf = (family: IpFamily): string => ordered.find((ip) => familyOf(ip) === family) ?? "";
  const [first] = ordered;
  const primary = familyOf(first ?? (config.bindAddress || LOOPBACK.IPv4));
  const ips = { IPv4: firstOf("IPv4"), IPv6: firstOf("IPv6") };
  return { ips: first === undefined ? { ...ips, [primary]: LOOPBACK[primary] } : ips, primary };
}

/** The --bind-address that names the node; empty where it is every address of a family. */
export function explicitAddress({ bindAddress }: Pick<ProxyConfig, "bindAddress">): string {
  return UNSPECIFIED.includes(bindAddress) ? "" : bindAddress;
}
