/** Real servers out of the kernel's answers (linux/ip_vs.h, IPVS_DEST_ATTR_…). Pure. */
import type { AttributeReader } from "../netlink/attributes.ts";
import { genericReader } from "../netlink/generic.ts";
import type { NetlinkMessage } from "../netlink/messages.ts";
import { addressOf, familyOf } from "./decode-address.ts";
import { decodeStats32, decodeStats64, NO_STATS } from "./decode-stats.ts";
import * as p from "./protocol.ts";
import type { Family, ListedRealServer, Stats } from "./types.ts";

/**
 * Reads an answer to IPVS_CMD_GET_DEST. Kernels before 3.18 do not name the address family: it is then that of the
 * virtual server. Throws a NetlinkFormatError.
 */
export function decodeDestination(message: NetlinkMessage, serviceFamily: Family): ListedRealServer {
  const fields = new DestinationFields();
  const attributes = genericReader(message);
  while (attributes.next()) {
    if (attributes.type === p.IPVS_CMD_ATTR_DEST) attributes.nested(() => fields.readAll(attributes));
  }
  attributes.finish();
  return fields.toDestination(serviceFamily);
}

/** The attributes as they come: the address precedes its family. */
class DestinationFields {
  #family: number | undefined;
  #address: Buffer = Buffer.alloc(0);
  #stats32 = NO_STATS;
  #stats64: Stats | undefined;
  readonly #plain = {
    port: 0,
    forwarding: 0 as ListedRealServer["forwarding"],
    weight: 0,
    upperThreshold: 0,
    lowerThreshold: 0,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
  };

  readAll(attributes: AttributeReader): void {
    while (attributes.next()) this.#read(attributes);
  }

  #read(attributes: AttributeReader): void {
    const plain = this.#plain;
    switch (attributes.type) {
      case p.IPVS_DEST_ATTR_ADDR:
        this.#address = attributes.bytes();
        break;
      case p.IPVS_DEST_ATTR_PORT:
        plain.port = attributes.u16be();
        break;
      case p.IPVS_DEST_ATTR_FWD_METHOD:
        plain.forwarding = forwardingOf(attributes.u32());
        break;
      case p.IPVS_DEST_ATTR_WEIGHT:
        plain.weight = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_U_THRESH:
        plain.upperThreshold = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_L_THRESH:
        plain.lowerThreshold = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_ACTIVE_CONNS:
        plain.activeConnections = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_INACT_CONNS:
        plain.inactiveConnections = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_PERSIST_CONNS:
        plain.persistentConnections = attributes.u32();
        break;
      case p.IPVS_DEST_ATTR_ADDR_FAMILY:
        this.#family = attributes.u16();
        break;
      case p.IPVS_DEST_ATTR_STATS:
        attributes.nested(() => {
          this.#stats32 = decodeStats32(attributes);
        });
        break;
      case p.IPVS_DEST_ATTR_STATS64:
        attributes.nested(() => {
          this.#stats64 = decodeStats64(attributes);
        });
        break;
    }
  }

  toDestination(serviceFamily: Family): ListedRealServer {
    const family = this.#family === undefined ? serviceFamily : familyOf(this.#family);
    return {
      address: addressOf(this.#address, family),
      ...this.#plain,
      stats: this.#stats64 ?? this.#stats32,
    };
  }
}

function forwardingOf(number: number): ListedRealServer["forwarding"] {
  return p.nameOf(p.FORWARDING_NUMBERS, number) ?? number;
}
