/** Network links over rtnetlink (RTM_NEWLINK and its like, linux/if_link.h), for the device that carries virtual addresses. */
import { AttributeReader, AttributeWriter } from "../netlink/attributes.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { AF_UNSPEC } from "../netlink/inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
/** struct ifinfomsg: family, padding (u8 each), device type (u16), index (s32), flags (u32), mask of flags (u32). */
const IFINFOMSG_BYTES = 16;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
/** IFNAMSIZ, of which the last byte is the terminator. */
const NAME_BYTES = 15;
// linux/if.h
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;

const DUMMY = "dummy";

/** The loopback device is the first of every network namespace. */
export const LOOPBACK_INDEX = 1;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `dummy`, `veth`, `bridge` …; empty for a link without a kind, such as a network card or loopback. */
  readonly kind: string;
  readonly up: boolean;
  /** Nobody is asked for, or told of, the addresses on the link. */
  readonly noArp: boolean;
}

/** A link that has the wanted name, but is of another kind. */
export class LinkKindError extends Error {
  readonly code = "ERR_LINK_KIND";
  readonly link: Link;
  constructor(link: Link, wanted: string) {
    super(
      `link ${link.name} is no ${wanted} device but ${link.kind === "" ? "of no kind" : `a ${link.kind}`}`,
    );
    this.name = "LinkKindError";
    this.link = link;
  }
}

/** The link of a name; undefined if there is none. Throws a NetlinkError. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const [message] = socket.request(`find link ${name}`, getLinkRequest(name));
    return message && decodeLink(message);
  } catch (error) {
    if (isNetlinkError(error, "ENODEV")) return undefined;
    throw error;
  }
}

/**
 * Makes sure that there is a dummy device of a name. A new one is down and does no ARP, which is how it stays: addresses
 * are local on a device that is down too, and setting it down would remove those of IPv6. One that exists is left as it
 * is. Throws a LinkKindError if the name is another device's, and a NetlinkError: EOPNOTSUPP without the module `dummy`.
 */
export function ensureDummyLink(socket: NetlinkSocket, name: string): { link: Link; created: boolean } {
  let created = false;
  let link = findLink(socket, name);
  if (link === undefined) {
    try {
      socket.request(`create dummy link ${name}`, createDummyRequest(name));
      created = true;
    } catch (error) {
      // Somebody was quicker.
      if (!isNetlinkError(error, "EEXIST")) throw error;
    }
    link = findLink(socket, name);
  }
  if (link === undefined) throw new Error(`link ${name} was removed as soon as it was there`);
  if (link.kind !== DUMMY) throw new LinkKindError(link, DUMMY);
  return { link, created };
}

/** Deletes a link with its addresses; returns false if there is none of the name. Throws a NetlinkError. */
export function deleteLink(socket: NetlinkSocket, name: string): boolean {
  try {
    socket.request(`delete link ${name}`, deleteLinkRequest(name));
    return true;
  } catch (error) {
    if (isNetlinkError(error, "ENODEV")) return false;
    throw error;
  }
}

/** Asks for a link by its name. */
export function getLinkRequest(name: string): NetlinkRequest {
  return { type: RTM_GETLINK, flags: 0, payload: linkWriter(name).finish() };
}

/** Creates a dummy device. It is down, since IFF_UP is not asked for; that it does no ARP is the driver's default too. */
export function createDummyRequest(name: string): NetlinkRequest {
  const attributes = linkWriter(name, IFF_NOARP);
  attributes.nested(IFLA_LINKINFO, () => attributes.bytes(IFLA_INFO_KIND, Buffer.from(DUMMY)));
  return { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: attributes.finish() };
}

/** Deletes a link by its name. */
export function deleteLinkRequest(name: string): NetlinkRequest {
  return { type: RTM_DELLINK, flags: 0, payload: linkWriter(name).finish() };
}

/** Reads an RTM_NEWLINK, the answer to `getLinkRequest`. */
export function decodeLink({ payload }: NetlinkMessage): Link {
  const attributes = new AttributeReader(payload, IFINFOMSG_BYTES);
  let [name, kind] = ["", ""];
  while (attributes.next()) {
    if (attributes.type === IFLA_IFNAME) name = attributes.string();
    else if (attributes.type === IFLA_LINKINFO) {
      attributes.nested(() => {
        while (attributes.next()) if (attributes.type === IFLA_INFO_KIND) kind = attributes.string();
      });
    }
  }
  attributes.finish();
  const flags = payload.readUInt32LE(8);
  const [up, noArp] = [(flags & IFF_UP) !== 0, (flags & IFF_NOARP) !== 0];
  return { index: payload.readInt32LE(4), name, kind, up, noArp };
}

/** A message about the link of a name, with flags of the device to be set. */
function linkWriter(name: string, flags = 0): AttributeWriter {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > NAME_BYTES)
    throw new RangeError(`name of a link must have 1 to ${NAME_BYTES} bytes: ${JSON.stringify(name)}`);
  const header = Buffer.alloc(IFINFOMSG_BYTES);
  header.writeUInt8(AF_UNSPEC);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return new AttributeWriter(header).string(IFLA_IFNAME, name);
}
