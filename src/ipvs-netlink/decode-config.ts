/** Answers about IPVS as a whole (linux/ip_vs.h). Pure. Each throws a NetlinkFormatError. */
import { genericReader } from "../netlink/generic.ts";
import type { NetlinkMessage } from "../netlink/messages.ts";
import * as p from "./protocol.ts";
import type { Info, Timeouts } from "./types.ts";

/** Reads an answer to IPVS_CMD_GET_CONFIG. A kernel without TCP or UDP balancing leaves those out: they are 0 then. */
export function decodeTimeouts(message: NetlinkMessage): Timeouts {
  let [tcp, tcpFin, udp] = [0, 0, 0];
  const attributes = genericReader(message);
  while (attributes.next()) {
    if (attributes.type === p.IPVS_CMD_ATTR_TIMEOUT_TCP) tcp = attributes.u32();
    else if (attributes.type === p.IPVS_CMD_ATTR_TIMEOUT_TCP_FIN) tcpFin = attributes.u32();
    else if (attributes.type === p.IPVS_CMD_ATTR_TIMEOUT_UDP) udp = attributes.u32();
  }
  attributes.finish();
  return { tcp, tcpFin, udp };
}

/** Reads an answer to IPVS_CMD_GET_INFO. */
export function decodeInfo(message: NetlinkMessage): Info {
  let version = 0;
  let connectionTableSize = 0;
  const attributes = genericReader(message);
  while (attributes.next()) {
    if (attributes.type === p.IPVS_INFO_ATTR_VERSION) version = attributes.u32();
    else if (attributes.type === p.IPVS_INFO_ATTR_CONN_TAB_SIZE) connectionTableSize = attributes.u32();
  }
  attributes.finish();
  return { version: printVersion(version), connectionTableSize };
}

/** NVERSION: a byte for each of the three parts. */
function printVersion(version: number): string {
  return [version >> 16, version >> 8, version].map((part) => part & 0xff).join(".");
}
