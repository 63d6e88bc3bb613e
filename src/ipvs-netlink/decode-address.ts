/** Address families and union nf_inet_addr, out of the kernel's answers. Pure. */
import { NetlinkFormatError } from "../netlink/attributes.ts";
import { decodeAddress } from "../netlink/inet.ts";
import { FAMILY_NUMBERS, nameOf } from "./protocol.ts";
import type { Family } from "./types.ts";

const BYTES: Readonly<Record<Family, number>> = { IPv4: 4, IPv6: 16 };

/** Throws a NetlinkFormatError on a family that is none of IP. */
export function familyOf(number: number): Family {
  const family = nameOf(FAMILY_NUMBERS, number);
  if (family === undefined) throw new NetlinkFormatError(`address family ${number}`);
  return family;
}

/** The address in the first bytes of a union that has room for either family. Throws a NetlinkFormatError. */
export function addressOf(bytes: Buffer, family: Family): string {
  if (bytes.length < BYTES[family]) {
    throw new NetlinkFormatError(`${family} address of ${bytes.length} bytes`);
  }
  return decodeAddress(bytes.subarray(0, BYTES[family]));
}
