/** How errors name things: `TCP 10.96.0.10:80`, `real server [fd00::5]:8080`. */
import type { RealServerId, VirtualServerId } from "./types.ts";

/** `TCP 10.96.0.10:80`, `UDP [fd00::a]:53`, `IPv4 firewall mark 7`. */
export function describeService(id: VirtualServerId): string {
  if ("fwmark" in id) return `${id.family} firewall mark ${id.fwmark}`;
  const protocol = typeof id.protocol === "number" ? `protocol ${id.protocol}` : id.protocol;
  return `${protocol} ${describeEndpoint(id)}`;
}

/** `10.244.1.5:8080`, `[fd00::5]:8080`. */
export function describeEndpoint({ address, port }: RealServerId): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
