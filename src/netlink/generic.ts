/**
 * Generic netlink (linux/genetlink.h): many kernel interfaces behind one socket protocol. Each is a family with a name;
 * its number, the type of its messages, is given out when it registers and has to be asked for.
 *
 *     struct genlmsghdr, behind the netlink header:
 *     0         1         2          4
 *     +---------+---------+----------+-------------+
 *     | command | version | reserved | attributes  |
 *     +---------+---------+----------+-------------+
 */
import { AttributeReader, AttributeWriter, NetlinkFormatError } from "./attributes.ts";
import type { NetlinkMessage } from "./messages.ts";
import type { NetlinkSocket } from "./socket.ts";

/** linux/netlink.h */
export const NETLINK_GENERIC = 16;

/** GENL_HDRLEN */
const HEADER_BYTES = 4;

/** The controller, the family that knows the others; the only one with a fixed number. */
const GENL_ID_CTRL = 0x10;
const CTRL_VERSION = 2;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;

/** A family as the running kernel has it. */
export interface GenericFamily {
  /** The type of its messages; another one after its module was loaded anew. */
  readonly id: number;
  readonly version: number;
}

/** A writer behind a genlmsghdr. */
export function genericWriter(command: number, version: number): AttributeWriter {
  return new AttributeWriter(Uint8Array.of(command, version, 0, 0));
}

/** A reader of the attributes behind the genlmsghdr. */
export function genericReader(message: NetlinkMessage): AttributeReader {
  return new AttributeReader(message.payload, HEADER_BYTES);
}

/**
 * Asks the kernel for a family by its name, upon which it loads the module that has the family, if it can. Throws a
 * NetlinkError with code ENOENT when there is none. Takes no privilege.
 */
export function resolveFamily(socket: NetlinkSocket, name: string): GenericFamily {
  const payload = genericWriter(CTRL_CMD_GETFAMILY, CTRL_VERSION)
    .string(CTRL_ATTR_FAMILY_NAME, name)
    .finish();
  const [reply] = socket.request(`find the generic netlink family ${name}`, {
    type: GENL_ID_CTRL,
    flags: 0,
    payload,
  });
  if (reply === undefined)
    throw new NetlinkFormatError(`no description of the generic netlink family ${name}`);
  return decodeFamily(reply);
}

/** Reads a CTRL_CMD_NEWFAMILY. Throws a NetlinkFormatError. */
function decodeFamily(message: NetlinkMessage): GenericFamily {
  let id = 0;
  let version = 0;
  const attributes = genericReader(message);
  while (attributes.next()) {
    if (attributes.type === CTRL_ATTR_FAMILY_ID) id = attributes.u16();
    else if (attributes.type === CTRL_ATTR_VERSION) version = attributes.u32();
  }
  attributes.finish();
  if (id === 0) throw new NetlinkFormatError("a generic netlink family without its number");
  return { id, version };
}
