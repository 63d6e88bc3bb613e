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

/**
 * The addresses by which the cluster knows this node. An explicit --bind-address wins for its family and makes it the
 * primary one; then the Node's first InternalIP, else its first ExternalIP, with the first address of the other family
 * beside it; then, without a Node, the first address by which other hosts may know this one.
 */
export function nodeIPsOf(
  config: Pick<ProxyConfig, "bindAddress">,
  node: NodeRecord | undefined,
  outwardAddresses: PerFamily<readonly string[]>,
): NodeIPs {
  const known = node === undefined ? IP_FAMILIES.flatMap((family) => outwardAddresses[family]) : ofNode(node);
  const explicit = UNSPECIFIED.includes(config.bindAddress) ? "" : config.bindAddress;
  const ordered = explicit === "" ? known : [explicit, ...known];
  const firstOf = (family: IpFamily): string => ordered.find((ip) => familyOf(ip) === family) ?? "";
  const [first] = ordered;
  const primary = familyOf(first ?? (config.bindAddress || LOOPBACK.IPv4));
  const ips = { IPv4: firstOf("IPv4"), IPv6: firstOf("IPv6") };
  return { ips: first === undefined ? { ...ips, [primary]: LOOPBACK[primary] } : ips, primary };
}

function ofNode({ internalIPs, externalIPs }: NodeRecord): readonly string[] {
  return internalIPs.length > 0 ? internalIPs : externalIPs;
}
