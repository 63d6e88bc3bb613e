/** Entries of sets as canonical text, the form in which the kernel's are read back. Pure. */
import type { Protocol } from "../../model/types.ts";

/** Entry of a hash:ip,port set. */
export function ipPort(ip: string, protocol: Protocol, port: number): string {
  return `${ip},${protocol.toLowerCase()}:${port}`;
}

/** Entry of a hash:ip,port,ip set. */
export function ipPortIp(ip: string, protocol: Protocol, port: number, source: string): string {
  return `${ipPort(ip, protocol, port)},${source}`;
}

/** Entry of a hash:ip,port,net set; a network of one address stands there as an address. */
export function ipPortNet(ip: string, protocol: Protocol, port: number, cidr: string): string {
  const bits = cidr.includes(":") ? "/128" : "/32";
  const net = cidr.endsWith(bits) ? cidr.slice(0, -bits.length) : cidr;
  return `${ipPort(ip, protocol, port)},${net}`;
}
