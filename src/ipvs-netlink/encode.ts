/**
 * Requests to the kernel as bytes (linux/ip_vs.h). Pure. Arguments have been checked.
 *
 *     genlmsghdr | SERVICE { identity, settings } | DEST { identity, settings }
 */
import type { AttributeWriter } from "../netlink/attributes.ts";
import { genericWriter } from "../netlink/generic.ts";
import { encodeAddress } from "../netlink/inet.ts";
import { ADDRESS_BITS, familyOfAddress, familyOfService } from "./family.ts";
import * as p from "./protocol.ts";
import type { RealServer, RealServerId, Timeouts, VirtualServer, VirtualServerId } from "./types.ts";

/** union nf_inet_addr: IPv4 addresses are in the first four. */
const ADDRESS_BYTES = 16;
/** All flags are meant, so that those not given are cleared. */
const ALL_FLAGS = 0xffff_ffff;

/** A command without arguments. */
export function encodeCommand(command: number): Buffer {
  return genericWriter(command, p.IPVS_GENL_VERSION).finish();
}

/** A command about a virtual server that takes no more than its identity. */
export function encodeServiceId(command: number, id: VirtualServerId): Buffer {
  return writeService(command, id).finish();
}

/** IPVS_CMD_NEW_SERVICE or IPVS_CMD_SET_SERVICE. */
export function encodeService(command: number, service: VirtualServer): Buffer {
  return writeService(command, service, (writer) => writeServiceSettings(writer, service)).finish();
}

/** IPVS_CMD_DEL_DEST. */
export function encodeDestinationId(command: number, id: VirtualServerId, destination: RealServerId): Buffer {
  return writeService(command, id)
    .nested(p.IPVS_CMD_ATTR_DEST, (writer) => {
      writeDestinationAddress(writer, destination);
      writeDestinationFamily(writer, destination);
    })
    .finish();
}

/** IPVS_CMD_NEW_DEST or IPVS_CMD_SET_DEST. */
export function encodeDestination(command: number, id: VirtualServerId, destination: RealServer): Buffer {
  const { forwarding = "masquerade", weight = 1, upperThreshold = 0, lowerThreshold = 0 } = destination;
  return writeService(command, id)
    .nested(p.IPVS_CMD_ATTR_DEST, (writer) => {
      writeDestinationAddress(writer, destination);
      writer
        .u32(p.IPVS_DEST_ATTR_FWD_METHOD, p.FORWARDING_NUMBERS[forwarding])
        .u32(p.IPVS_DEST_ATTR_WEIGHT, weight)
        .u32(p.IPVS_DEST_ATTR_U_THRESH, upperThreshold)
        .u32(p.IPVS_DEST_ATTR_L_THRESH, lowerThreshold);
      writeDestinationFamily(writer, destination);
    })
    .finish();
}

/** IPVS_CMD_SET_CONFIG. The kernel leaves what is 0 as it is. */
export function encodeTimeouts(command: number, { tcp = 0, tcpFin = 0, udp = 0 }: Partial<Timeouts>): Buffer {
  return genericWriter(command, p.IPVS_GENL_VERSION)
    .u32(p.IPVS_CMD_ATTR_TIMEOUT_TCP, tcp)
    .u32(p.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, tcpFin)
    .u32(p.IPVS_CMD_ATTR_TIMEOUT_UDP, udp)
    .finish();
}

function writeService(
  command: number,
  id: VirtualServerId,
  settings: (writer: AttributeWriter) => void = () => {},
): AttributeWriter {
  return genericWriter(command, p.IPVS_GENL_VERSION).nested(p.IPVS_CMD_ATTR_SERVICE, (writer) => {
    writer.u16(p.IPVS_SVC_ATTR_AF, p.FAMILY_NUMBERS[familyOfService(id)]);
    if ("fwmark" in id) writer.u32(p.IPVS_SVC_ATTR_FWMARK, id.fwmark);
    else {
      const protocol = typeof id.protocol === "number" ? id.protocol : p.PROTOCOL_NUMBERS[id.protocol];
      writer
        .u16(p.IPVS_SVC_ATTR_PROTOCOL, protocol)
        .bytes(p.IPVS_SVC_ATTR_ADDR, paddedAddress(id.address))
        .u16be(p.IPVS_SVC_ATTR_PORT, id.port);
    }
    settings(writer);
  });
}

/** All of these are required, also without persistence. */
function writeServiceSettings(writer: AttributeWriter, service: VirtualServer): void {
  const { scheduler, persistence } = service;
  writer
    .string(p.IPVS_SVC_ATTR_SCHED_NAME, scheduler)
    .bytes(p.IPVS_SVC_ATTR_FLAGS, encodeFlags(service))
    .u32(p.IPVS_SVC_ATTR_TIMEOUT, persistence?.timeoutSeconds ?? 0)
    .bytes(p.IPVS_SVC_ATTR_NETMASK, encodeNetmask(service));
  if (persistence?.engine !== undefined) writer.string(p.IPVS_SVC_ATTR_PE_NAME, persistence.engine);
}

/** struct ip_vs_flags: the flags, and which flags are meant. */
function encodeFlags({ persistence, onePacket = false, schedulerFlags = [] }: VirtualServer): Buffer {
  let flags = persistence === undefined ? 0 : p.IP_VS_SVC_F_PERSISTENT;
  if (onePacket) flags |= p.IP_VS_SVC_F_ONEPACKET;
  for (const flag of schedulerFlags) flags |= p.SCHEDULER_FLAG_BITS[flag];
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(flags, 0);
  bytes.writeUInt32LE(ALL_FLAGS, 4);
  return bytes;
}

/** An IPv4 mask in network order, or the length of an IPv6 prefix in host order. */
function encodeNetmask(service: VirtualServer): Buffer {
  const family = familyOfService(service);
  const length = service.persistence?.prefixLength ?? ADDRESS_BITS[family];
  const bytes = Buffer.alloc(4);
  if (family === "IPv6") bytes.writeUInt32LE(length);
  else bytes.writeUInt32BE(2 ** 32 - 2 ** (32 - length));
  return bytes;
}

function writeDestinationAddress(writer: AttributeWriter, { address, port }: RealServerId): void {
  writer.bytes(p.IPVS_DEST_ATTR_ADDR, paddedAddress(address)).u16be(p.IPVS_DEST_ATTR_PORT, port);
}

/** Unknown to, and ignored by, kernels before 3.18. */
function writeDestinationFamily(writer: AttributeWriter, { address }: RealServerId): void {
  writer.u16(p.IPVS_DEST_ATTR_ADDR_FAMILY, p.FAMILY_NUMBERS[familyOfAddress(address)]);
}

function paddedAddress(address: string): Uint8Array {
  const bytes = encodeAddress(address);
  if (bytes.length === ADDRESS_BYTES) return bytes;
  const padded = new Uint8Array(ADDRESS_BYTES);
  padded.set(bytes);
  return padded;
}
