/** Virtual servers out of the kernel's answers (linux/ip_vs.h, IPVS_SVC_ATTR_…). Pure. */
import type { AttributeReader } from "../netlink/attributes.ts";
import { genericReader } from "../netlink/generic.ts";
import type { NetlinkMessage } from "../netlink/messages.ts";
import { addressOf, familyOf } from "./decode-address.ts";
import { decodeStats32, decodeStats64, NO_STATS } from "./decode-stats.ts";
import * as p from "./protocol.ts";
import type {
  Family,
  ListedPersistence,
  ListedVirtualServer,
  SchedulerFlag,
  VirtualServerId,
} from "./types.ts";

const SCHEDULER_FLAGS = Object.keys(p.SCHEDULER_FLAG_BITS) as readonly SchedulerFlag[];
const FLAGS_MASK = 0xffff_ffffn;

/** Reads an answer to IPVS_CMD_GET_SERVICE. Throws a NetlinkFormatError. */
export function decodeService(message: NetlinkMessage): ListedVirtualServer {
  const fields = new ServiceFields();
  const attributes = genericReader(message);
  while (attributes.next()) {
    if (attributes.type === p.IPVS_CMD_ATTR_SERVICE) attributes.nested(() => fields.readAll(attributes));
  }
  attributes.finish();
  return fields.toService();
}

/** The attributes as they come, in any order: how some are to be read depends on others. */
class ServiceFields {
  #family = 0;
  #protocol = 0;
  #address: Buffer = Buffer.alloc(0);
  #port = 0;
  #fwmark = 0;
  #scheduler = "none";
  #flags = 0;
  #timeoutSeconds = 0;
  #ipv4Mask = 0;
  #ipv6PrefixLength = 0;
  #engine: string | undefined;
  #stats32 = NO_STATS;
  #stats64: ListedVirtualServer["stats"] | undefined;

  readAll(attributes: AttributeReader): void {
    while (attributes.next()) this.#read(attributes);
  }

  #read(attributes: AttributeReader): void {
    switch (attributes.type) {
      case p.IPVS_SVC_ATTR_AF:
        this.#family = attributes.u16();
        break;
      case p.IPVS_SVC_ATTR_PROTOCOL:
        this.#protocol = attributes.u16();
        break;
      case p.IPVS_SVC_ATTR_ADDR:
        this.#address = attributes.bytes();
        break;
      case p.IPVS_SVC_ATTR_PORT:
        this.#port = attributes.u16be();
        break;
      case p.IPVS_SVC_ATTR_FWMARK:
        this.#fwmark = attributes.u32();
        break;
      case p.IPVS_SVC_ATTR_SCHED_NAME:
        this.#scheduler = attributes.string();
        break;
      case p.IPVS_SVC_ATTR_FLAGS:
        // struct ip_vs_flags: the flags, then a mask.
        this.#flags = Number(attributes.u64() & FLAGS_MASK);
        break;
      case p.IPVS_SVC_ATTR_TIMEOUT:
        this.#timeoutSeconds = attributes.u32();
        break;
      case p.IPVS_SVC_ATTR_NETMASK:
        this.#ipv4Mask = attributes.u32be();
        this.#ipv6PrefixLength = attributes.u32();
        break;
      case p.IPVS_SVC_ATTR_PE_NAME:
        this.#engine = attributes.string();
        break;
      case p.IPVS_SVC_ATTR_STATS:
        attributes.nested(() => {
          this.#stats32 = decodeStats32(attributes);
        });
        break;
      case p.IPVS_SVC_ATTR_STATS64:
        attributes.nested(() => {
          this.#stats64 = decodeStats64(attributes);
        });
        break;
    }
  }

  toService(): ListedVirtualServer {
    const family = familyOf(this.#family);
    return {
      ...this.#id(family),
      scheduler: this.#scheduler,
      schedulerFlags: SCHEDULER_FLAGS.filter((flag) => (this.#flags & p.SCHEDULER_FLAG_BITS[flag]) !== 0),
      persistence: (this.#flags & p.IP_VS_SVC_F_PERSISTENT) === 0 ? undefined : this.#persistence(family),
      onePacket: (this.#flags & p.IP_VS_SVC_F_ONEPACKET) !== 0,
      stats: this.#stats64 ?? this.#stats32,
    };
  }

  #id(family: Family): VirtualServerId {
    if (this.#fwmark !== 0) return { fwmark: this.#fwmark, family };
    return {
      address: addressOf(this.#address, family),
      port: this.#port,
      protocol: p.nameOf(p.PROTOCOL_NUMBERS, this.#protocol) ?? this.#protocol,
    };
  }

  #persistence(family: Family): ListedPersistence {
    return {
      timeoutSeconds: this.#timeoutSeconds,
      prefixLength: family === "IPv6" ? this.#ipv6PrefixLength : Math.clz32(~this.#ipv4Mask),
      engine: this.#engine,
    };
  }
}
