/** Names of chains: the same text and the same hashes as upstream, so that tools which grep `KUBE-SVC-` keep working. */
import { hash } from "node:crypto";
import { COMMON_CHAIN } from "../iptables-chains/names.ts";
import { flat } from "./flat-text.ts";

/** Chains that every Service shares, by the role they play. Some names exist in both tables. */
export const CHAIN = {
  ...COMMON_CHAIN,
  externalServices: "KUBE-EXTERNAL-SERVICES",
  nodePorts: "KUBE-NODEPORTS",
  firewall: "KUBE-FIREWALL",
} as const;

const CLUSTER = "KUBE-SVC-";
const LOCAL = "KUBE-SVL-";
const EXTERNAL = "KUBE-EXT-";
const FIREWALL = "KUBE-FW-";
const ENDPOINT = "KUBE-SEP-";
/** Upstream releases before 1.24 made these; they are never written, only recognised and removed. */
const HISTORICAL = "KUBE-XLB-";

const PER_SERVICE = [CLUSTER, LOCAL, ENDPOINT, FIREWALL, EXTERNAL, HISTORICAL];

/** Whether a chain of table nat belongs to one Service, and so is stale when no Service claims it. */
export function isServiceChain(name: string): boolean {
  return name.startsWith("KUBE-") && PER_SERVICE.some((prefix) => name.startsWith(prefix));
}

/** Chains of one service port in table nat; which of them exist depends on policies and endpoints. */
export interface ServicePortChains {
  /** Balances over the endpoints of policy Cluster. */
  readonly cluster: string;
  /** Balances over the endpoints of policy Local. */
  readonly local: string;
  /** Entry for node ports, external IPs and load-balancer IPs. */
  readonly external: string;
  /** Checks source ranges before `external`. */
  readonly firewall: string;
}

/**
 * Names the chains of a service port.
 * @param identity label and lower-case protocol with nothing in between, e.g. `ns/svc:httptcp`
 */
export function servicePortChains(identity: string): ServicePortChains {
  const id = chainHash(identity);
  return {
    cluster: flat(CLUSTER + id),
    local: flat(LOCAL + id),
    external: flat(EXTERNAL + id),
    firewall: flat(FIREWALL + id),
  };
}

/**
 * Names the chain of one endpoint behind one service port.
 * @param identity as for servicePortChains
 * @param endpoint `ip:port`, `[ip]:port` for IPv6
 */
export function endpointChain(identity: string, endpoint: string): string {
  return flat(ENDPOINT + chainHash(identity + endpoint));
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** The two base32 digits of every 10-bit number. */
const DIGIT_PAIRS = Array.from({ length: 1024 }, (_, n) => ALPHABET.charAt(n >> 5) + ALPHABET.charAt(n & 31));

/** The first 16 base32 digits (RFC 4648, 80 bits) of SHA-256; with the longest prefix 25 of the 28 characters iptables allows. */
export function chainHash(text: string): string {
  // One byte a character: much cheaper than a Buffer, which would have to be allocated for each of the many endpoints.
  const digest = hash("sha256", text, "binary");
  return fortyBits(digest, 0) + fortyBits(digest, 5);
}

function fortyBits(digest: string, at: number): string {
  const middle = digest.charCodeAt(at + 2);
  const high = (digest.charCodeAt(at) << 12) | (digest.charCodeAt(at + 1) << 4) | (middle >> 4);
  const low = ((middle & 15) << 16) | (digest.charCodeAt(at + 3) << 8) | digest.charCodeAt(at + 4);
  return `${digitPair(high >> 10)}${digitPair(high & 1023)}${digitPair(low >> 10)}${digitPair(low & 1023)}`;
}

function digitPair(tenBits: number): string {
  return DIGIT_PAIRS[tenBits] as string;
}
