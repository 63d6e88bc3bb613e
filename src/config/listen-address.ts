/** Addresses to listen on, as text. */
import { canonicalIp } from "../model/address.ts";
import type { ListenAddress } from "./proxy-config.ts";

export const LISTEN_ADDRESS_FORM = "IP:port or [IPv6]:port with a port from 1 to 65535";

/** Parses `IP:port` or `[IPv6]:port`; undefined for host names, service names and port 0. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = canonicalIp(bracketed ?? plain ?? "");
  const port = Number(digits);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}
