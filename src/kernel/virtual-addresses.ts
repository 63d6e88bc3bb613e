/** The addresses of one link, to which many are added and from which many are removed (RTM_NEWADDR, linux/if_addr.h). */
import type { IpFamily } from "../model/types.ts";
import { AttributeWriter } from "../netlink/attributes.ts";
import { isNetlinkError, type KernelStatus, NetlinkError } from "../netlink/errors.ts";
import { AF_INET, AF_INET6, encodeAddress, familyNumber } from "../netlink/inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import {
  addressesOf,
  IFA_ADDRESS,
  IFA_LOCAL,
  IFADDRMSG_BYTES,
  isOnLink,
  listRequest,
  RT_SCOPE_UNIVERSE,
} from "./addresses.ts";

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
/** IPv6: the address is good at once, without asking whether another host has it. */
const IFA_F_NODAD = 0x2;

/** Refusals of so many requests fit a receive buffer of the default size. */
const REQUESTS_PER_DATAGRAM = 100;

/** What became of one address. */
export interface AddressOutcome {
  readonly address: string;
  /** `unchanged`: it was there already (add) or was not there (remove). */
  readonly result: "changed" | "unchanged" | "failed";
  /** Of a failure. ENODEV: there is no such link. */
  readonly error?: NetlinkError;
}

/**
 * The addresses of one family on the link of an index that are there by themselves (/32 or /128) and have global scope, as
 * `addLinkAddresses` adds them, in the kernel's order: not those that a device has with its network, or by being up. Throws
 * a NetlinkError.
 */
export async function listLinkAddresses(
  socket: NetlinkSocket,
  index: number,
  family: IpFamily,
): Promise<string[]> {
  const number = familyNumber(family);
  const messages = await socket.dumpAll(`list addresses of link ${index}`, listRequest(number));
  return [...addressesOf(messages.filter(isOnLink(index)).filter(isVirtual(family)), number)];
}

/** struct ifaddrmsg has the prefix length in its second byte and the scope in its fourth. */
function isVirtual(family: IpFamily): (message: NetlinkMessage) => boolean {
  const bits = family === "IPv4" ? 32 : 128;
  return ({ payload }) => payload[1] === bits && payload[3] === RT_SCOPE_UNIVERSE;
}

/**
 * Adds addresses of either family to the link of an index, each by itself (/32 or /128) and with global scope. Returns an
 * outcome for each, in their order. Throws a RangeError, before anything is written, for what is no address.
 */
export function addLinkAddresses(
  socket: NetlinkSocket,
  index: number,
  addresses: readonly string[],
): AddressOutcome[] {
  const requests = addresses.map((address) => addAddressRequest(index, address));
  return change(socket, "add", addresses, requests, ["EEXIST"]);
}

/** Removes such addresses; as `addLinkAddresses`. */
export function removeLinkAddresses(
  socket: NetlinkSocket,
  index: number,
  addresses: readonly string[],
): AddressOutcome[] {
  const requests = addresses.map((address) => removeAddressRequest(index, address));
  // Which of the two the kernel says depends on its version and on the family.
  return change(socket, "remove", addresses, requests, ["EADDRNOTAVAIL", "ENXIO"]);
}

/** Adds an address to a link; EEXIST if it is there. */
export function addAddressRequest(index: number, address: string): NetlinkRequest {
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    payload: addressMessage(index, address, IFA_F_NODAD),
  };
}

/** Removes an address from a link; EADDRNOTAVAIL if it is not there. */
export function removeAddressRequest(index: number, address: string): NetlinkRequest {
  return { type: RTM_DELADDR, flags: 0, payload: addressMessage(index, address, 0) };
}

function addressMessage(index: number, address: string, flagsOfIPv6: number): Buffer {
  const bytes = encodeAddress(address);
  const isIPv4 = bytes.length === 4;
  const header = Buffer.alloc(IFADDRMSG_BYTES);
  header.set([isIPv4 ? AF_INET : AF_INET6, bytes.length * 8, isIPv4 ? 0 : flagsOfIPv6, RT_SCOPE_UNIVERSE]);
  header.writeUInt32LE(index, 4);
  return new AttributeWriter(header).bytes(IFA_LOCAL, bytes).bytes(IFA_ADDRESS, bytes).finish();
}

function change(
  socket: NetlinkSocket,
  verb: "add" | "remove",
  addresses: readonly string[],
  requests: readonly NetlinkRequest[],
  harmless: readonly string[],
): AddressOutcome[] {
  const outcomes: AddressOutcome[] = [];
  for (let start = 0; start < requests.length; start += REQUESTS_PER_DATAGRAM) {
    // Without acknowledgements: silence is success.
    const replies = socket.exchange(requests.slice(start, start + REQUESTS_PER_DATAGRAM));
    for (const [i, { status }] of replies.entries()) {
      const address = addresses[start + i] ?? "";
      outcomes.push(outcome(`${verb} address ${address}`, address, status, harmless));
    }
  }
  return outcomes;
}

function outcome(
  operation: string,
  address: string,
  status: KernelStatus | undefined,
  harmless: readonly string[],
): AddressOutcome {
  if (status === undefined || status.errno === 0) return { address, result: "changed" };
  const error = new NetlinkError(operation, status);
  if (isNetlinkError(error, ...harmless)) return { address, result: "unchanged" };
  return { address, result: "failed", error };
}
