/** Which IP family a virtual server or an address belongs to. */
import type { Family, VirtualServerId } from "./types.ts";

/** Takes the address for valid. */
export function familyOfAddress(address: string): Family {
  return address.includes(":") ? "IPv6" : "IPv4";
}

export function familyOfService(id: VirtualServerId): Family {
  return "fwmark" in id ? id.family : familyOfAddress(id.address);
}

/** Bits of an address. */
export const ADDRESS_BITS: Readonly<Record<Family, number>> = { IPv4: 32, IPv6: 128 };
