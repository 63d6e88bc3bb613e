/** The kernel's connection tracking table over ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { constants } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IpFamily } from "../model/types.ts";
import type { AttributeReader } from "../netlink/attributes.ts";
import {
  CT_DELETE,
  CT_GET,
  CT_GET_STATS,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_TUPLE_ZONE,
} from "../netlink/ctnetlink.ts";
import { NetlinkError } from "../netlink/errors.ts";
import { AF_UNSPEC, decodeAddress, encodeAddress, familyNumber } from "../netlink/inet.ts";
import { type NetlinkMessage, type NetlinkRequest, NLM_F_ACK } from "../netlink/messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader, nfnetlinkWriter } from "../netlink/nfnetlink.ts";
import { NetlinkSocket } from "../netlink/socket.ts";

const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;

/** CTA_FILTER_FLAG(CTA_PROTO_NUM) of net/netfilter/nf_conntrack_netlink.c: compare the protocol number. */
const FILTER_PROTO_NUM = 1 << 3;

const IPPROTO_UDP = 17;

/** Acknowledgements of this many deletions fit a receive buffer of the default size (about 270 do). */
const DELETES_PER_DATAGRAM = 128;

/** By which a tracked UDP flow is found: its original direction. */
export interface FlowTuple {
  readonly family: IpFamily;
  readonly origSrc: string;
  readonly origDst: string;
  readonly origSrcPort: number;
  readonly origDstPort: number;
  /** Zone of the original direction; 0 = the default zone. */
  readonly zone: number;
  /**
   * Distinguishes the entry from a later one with the same tuple, unless the kernel put that into the same memory. Without
   * it, whatever entry has the tuple is meant, in whichever direction.
   */
  readonly id?: number;
}

/** One tracked UDP flow: its original direction, and who answers it. */
export interface UdpFlow extends FlowTuple {
  readonly id: number;
  /** Where the replies come from: the endpoint behind a translated flow, else the original destination. */
  readonly replySrc: string;
  readonly replySrcPort: number;
}

/** What became of the flows to delete. */
export interface DeleteResult {
  readonly deleted: number;
  /** Entries that had expired, or been replaced, by themselves. */
  readonly gone: number;
  readonly errors: readonly NetlinkError[];
}

/**
 * Makes the kernel load connection tracking where it is a module: it does so when its netlink family is first spoken to.
 * Settings under net/netfilter do not exist before. Throws a NetlinkError when the kernel has none.
 */
export function loadConntrack(): void {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const payload = nfnetlinkWriter(AF_UNSPEC).finish();
  socket.request("read conntrack statistics", { type: CT_GET_STATS, flags: 0, payload });
}

/**
 * Streams the UDP entries of one family. The kernel filters from 5.8 on; older ones send every protocol and the rest is
 * dropped here. An entry may come twice when the table changes meanwhile. Throws a NetlinkError.
 */
export async function* listUdpFlows(family: IpFamily): AsyncGenerator<UdpFlow, void> {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  for await (const messages of socket.dump("list conntrack entries", listRequest(family))) {
    for (const message of messages) {
      const flow = decodeUdpFlow(message, family);
      if (flow !== undefined) yield flow;
    }
  }
}

/**
 * Deletes exactly the given entries: tuple, zone and id, if there is one, must match, so that a new flow that took over
 * the tuple stays.
 * Never throws for a single entry; throws a NetlinkError when the kernel cannot be asked at all.
 */
export async function deleteUdpFlows(flows: readonly FlowTuple[]): Promise<DeleteResult> {
  using socket = NetlinkSocket.open(NETLINK_NETFILTER);
  const result = { deleted: 0, gone: 0, errors: [] as NetlinkError[] };
  for (let start = 0; start < flows.length; start += DELETES_PER_DATAGRAM) {
    if (start > 0) await nextTurn();
    const part = flows.slice(start, start + DELETES_PER_DATAGRAM);
    for (const [index, reply] of socket.exchange(part.map(deleteRequest)).entries()) {
      const status = reply.status ?? { errno: constants.errno.ENODATA };
      if (status.errno === 0) result.deleted++;
      else if (status.errno === constants.errno.ENOENT) result.gone++;
      else result.errors.push(new NetlinkError(`delete conntrack entry ${renderFlow(part[index])}`, status));
    }
  }
  return result;
}

function renderFlow(flow: FlowTuple | undefined): string {
  if (flow === undefined) return "";
  return `udp src=${flow.origSrc} dst=${flow.origDst} sport=${flow.origSrcPort} dport=${flow.origDstPort}`;
}

/** The dump of one family, filtered by protocol where the kernel can. */
export function listRequest(family: IpFamily): NetlinkRequest {
  const writer = nfnetlinkWriter(familyNumber(family));
  writer.nested(CTA_TUPLE_ORIG, () =>
    writer.nested(CTA_TUPLE_PROTO, () => writer.u8(CTA_PROTO_NUM, IPPROTO_UDP)),
  );
  writer.nested(CTA_FILTER, () => writer.u32(CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM));
  return { type: CT_GET, flags: 0, payload: writer.finish() };
}

/** The deletion of one entry. (A CT_DELETE without a tuple would flush the whole table.) */
export function deleteRequest(flow: FlowTuple): NetlinkRequest {
  const writer = nfnetlinkWriter(familyNumber(flow.family));
  const isIPv4 = flow.family === "IPv4";
  writer.nested(CTA_TUPLE_ORIG, () => {
    writer.nested(CTA_TUPLE_IP, () => {
      writer.bytes(isIPv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, encodeAddress(flow.origSrc));
      writer.bytes(isIPv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, encodeAddress(flow.origDst));
    });
    writer.nested(CTA_TUPLE_PROTO, () => {
      writer.u8(CTA_PROTO_NUM, IPPROTO_UDP);
      writer.u16be(CTA_PROTO_SRC_PORT, flow.origSrcPort);
      writer.u16be(CTA_PROTO_DST_PORT, flow.origDstPort);
    });
  });
  if (flow.zone !== 0) writer.u16be(CTA_ZONE, flow.zone);
  if (flow.id !== undefined) writer.u32be(CTA_ID, flow.id);
  return { type: CT_DELETE, flags: NLM_F_ACK, payload: writer.finish() };
}

/** Reads an entry of a dump; undefined when it is not UDP or of another family. Throws a NetlinkFormatError. */
export function decodeUdpFlow(message: NetlinkMessage, family: IpFamily): UdpFlow | undefined {
  if (message.payload[0] !== familyNumber(family)) return undefined;
  const attributes = nfnetlinkReader(message);
  const orig = emptyTuple();
  const reply = emptyTuple();
  let id = 0;
  let zone = 0;
  while (attributes.next()) {
    if (attributes.type === CTA_TUPLE_ORIG) readTuple(attributes, orig);
    else if (attributes.type === CTA_TUPLE_REPLY) readTuple(attributes, reply);
    else if (attributes.type === CTA_ID) id = attributes.u32be();
    else if (attributes.type === CTA_ZONE) zone = attributes.u16be();
    // Every other protocol has its tuple first: the rest need not be read.
    if (orig.protocol !== 0 && orig.protocol !== IPPROTO_UDP) return undefined;
  }
  attributes.finish();
  return {
    family,
    origSrc: decodeAddress(orig.src),
    origDst: decodeAddress(orig.dst),
    origSrcPort: orig.srcPort,
    origDstPort: orig.dstPort,
    replySrc: decodeAddress(reply.src),
    replySrcPort: reply.srcPort,
    zone: zone === 0 ? orig.zone : zone,
    id,
  };
}

interface Tuple {
  src: Uint8Array;
  dst: Uint8Array;
  srcPort: number;
  dstPort: number;
  protocol: number;
  zone: number;
}

const NO_BYTES = new Uint8Array(0);

function emptyTuple(): Tuple {
  return { src: NO_BYTES, dst: NO_BYTES, srcPort: 0, dstPort: 0, protocol: 0, zone: 0 };
}

function readTuple(attributes: AttributeReader, tuple: Tuple): void {
  attributes.nested(() => {
    while (attributes.next()) {
      if (attributes.type === CTA_TUPLE_IP) attributes.nested(() => readAddresses(attributes, tuple));
      else if (attributes.type === CTA_TUPLE_PROTO) attributes.nested(() => readPorts(attributes, tuple));
      else if (attributes.type === CTA_TUPLE_ZONE) tuple.zone = attributes.u16be();
    }
  });
}

function readAddresses(attributes: AttributeReader, tuple: Tuple): void {
  while (attributes.next()) {
    const { type } = attributes;
    if (type === CTA_IP_V4_SRC || type === CTA_IP_V6_SRC) tuple.src = attributes.bytes();
    else if (type === CTA_IP_V4_DST || type === CTA_IP_V6_DST) tuple.dst = attributes.bytes();
  }
}

function readPorts(attributes: AttributeReader, tuple: Tuple): void {
  while (attributes.next()) {
    if (attributes.type === CTA_PROTO_NUM) tuple.protocol = attributes.u8();
    else if (tuple.protocol !== IPPROTO_UDP) return;
    else if (attributes.type === CTA_PROTO_SRC_PORT) tuple.srcPort = attributes.u16be();
    else if (attributes.type === CTA_PROTO_DST_PORT) tuple.dstPort = attributes.u16be();
  }
}
