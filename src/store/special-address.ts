/** Addresses that no endpoint and no external IP may have. */
import { contains } from "../model/address.ts";

/** What the API server refuses in endpoints (CVE-2021-25737) and external IPs: the local machine's and the local link's. */
const SPECIAL: readonly (readonly [cidr: string, what: string])[] = [
  ["0.0.0.0/32", "unspecified"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["224.0.0.0/24", "link-local multicast"],
  ["::/128", "unspecified"],
  ["::1/128", "loopback"],
  ["fe80::/10", "link-local"],
  ["ff02::/16", "link-local multicast"],
];

/** Nearly every address of a cluster begins with none of these, and is spared the rest. */
const SUSPECT = /^(?:0\.|127\.|169\.254\.|224\.|::|fe[89ab]|ff02:)/;

/**
 * What is special about a canonical address; undefined if nothing is. A server that is older, or a folder of manifests, may
 * have them all the same, and a packet sent to such an address would stay on the node and reach what listens there.
 */
export function specialAddress(ip: string): string | undefined {
  if (!SUSPECT.test(ip)) return undefined;
  return SPECIAL.find(([cidr]) => contains(cidr, ip))?.[1];
}
