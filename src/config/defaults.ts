/** Defaults that depend on something else; plain ones stand in the schema. */
import { canonicalIp, familyOf, joinHostPort } from "../model/address.ts";
import { decodeConfiguration } from "./decode.ts";
import type { KubeProxyConfiguration } from "./schema.ts";

export const HEALTHZ_PORT = 10256;
export const METRICS_PORT = 10249;
/** Not upstream's. */
export const STATUS_SOCKET = "/run/kube-proxy/kube-proxy.sock";

/** With flags alone the addresses do not follow --bind-address. */
export const FLAG_HEALTHZ_ADDRESS = joinHostPort("0.0.0.0", HEALTHZ_PORT);
export const FLAG_METRICS_ADDRESS = joinHostPort("127.0.0.1", METRICS_PORT);

/** A fresh configuration as it is before any flag: every field at its default. */
export function flagDefaults(): KubeProxyConfiguration {
  return {
    ...structuredClone(decodeConfiguration({}).config),
    healthzBindAddress: FLAG_HEALTHZ_ADDRESS,
    metricsBindAddress: FLAG_METRICS_ADDRESS,
  };
}

/** Fills in what a file left out and depends on its bindAddress: the two listening addresses. */
export function completeFile(config: KubeProxyConfiguration): void {
  const bindAddress = canonicalIp(config.bindAddress);
  const ipv6 = bindAddress !== undefined && familyOf(bindAddress) === "IPv6";
  config.healthzBindAddress = withPort(config.healthzBindAddress || (ipv6 ? "::" : "0.0.0.0"), HEALTHZ_PORT);
  config.metricsBindAddress = withPort(
    config.metricsBindAddress || (ipv6 ? "::1" : "127.0.0.1"),
    METRICS_PORT,
  );
}

/** Adds the port to a bare IP; anything else stays for validation to judge. */
export function withPort(address: string, port: number): string {
  const ip = canonicalIp(address);
  return ip === undefined ? address : joinHostPort(ip, port);
}

/** Fills in the choices upstream makes for Linux after flags and file are known. */
export function completePlatform(config: KubeProxyConfiguration): void {
  config.mode ||= "iptables";
  config.detectLocalMode ||= "ClusterCIDR";
  if (config.mode === "nftables" && config.nodePortAddresses.length === 0)
    config.nodePortAddresses = ["primary"];
}
