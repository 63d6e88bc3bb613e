/**
 * Where a redirected UDP datagram was going. The datagram does not say (IP_RECVORIGDSTADDR gives what is in its header,
 * which is rewritten by then), so connection tracking is asked, once for each new client, for the entry whose replies go
 * from our socket to the client.
 */
import {
  CT_GET,
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
} from "../netlink/ctnetlink.ts";
import { AF_INET, AF_INET6 } from "../netlink/inet.ts";
import type { NetlinkMessage, NetlinkRequest } from "../netlink/messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader, nfnetlinkWriter } from "../netlink/nfnetlink.ts";
import { NetlinkSocket } from "../netlink/socket.ts";
import { IPPROTO_UDP } from "./constants.ts";

/** Addresses of 4 or 16 bytes. */
export interface ReceivedFrom {
  readonly client: Buffer;
  readonly clientPort: number;
  readonly local: Buffer;
  readonly localPort: number;
}

export class OriginalDestinations {
  #socket: NetlinkSocket | undefined;

  /** The destination as a key of `endpointKey`; undefined when the kernel has no entry. Throws a NetlinkError. */
  find(from: ReceivedFrom): string | undefined {
    this.#socket ??= NetlinkSocket.open(NETLINK_NETFILTER);
    const [reply] = this.#socket.exchange([lookupRequest(from)]);
    const [message] = reply?.messages ?? [];
    return message === undefined ? undefined : readOriginalDestination(message);
  }

  close(): void {
    this.#socket?.close();
  }
}

/** The request for one entry, by its tuple of the reply direction. */
export function lookupRequest({ client, clientPort, local, localPort }: ReceivedFrom): NetlinkRequest {
  const isIPv4 = client.length === 4;
  const writer = nfnetlinkWriter(isIPv4 ? AF_INET : AF_INET6);
  writer.nested(CTA_TUPLE_REPLY, () => {
    writer.nested(CTA_TUPLE_IP, () => {
      writer.bytes(isIPv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, local);
      writer.bytes(isIPv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, client);
    });
    writer.nested(CTA_TUPLE_PROTO, () => {
      writer.u8(CTA_PROTO_NUM, IPPROTO_UDP);
      writer.u16be(CTA_PROTO_SRC_PORT, localPort);
      writer.u16be(CTA_PROTO_DST_PORT, clientPort);
    });
  });
  return { type: CT_GET, flags: 0, payload: writer.finish() };
}

/** Destination of an entry's original direction, as a key of `endpointKey`. Throws a NetlinkFormatError. */
export function readOriginalDestination(message: NetlinkMessage): string | undefined {
  const attributes = nfnetlinkReader(message);
  let host: string | undefined;
  let port: string | undefined;
  while (attributes.next()) {
    if (attributes.type !== CTA_TUPLE_ORIG) continue;
    attributes.nested(() => {
      while (attributes.next()) {
        const { type } = attributes;
        if (type !== CTA_TUPLE_IP && type !== CTA_TUPLE_PROTO) continue;
        attributes.nested(() => {
          while (attributes.next()) {
            const part = attributes.type;
            if (type === CTA_TUPLE_PROTO && part === CTA_PROTO_DST_PORT) port = text(attributes.bytes());
            if (type === CTA_TUPLE_IP && (part === CTA_IP_V4_DST || part === CTA_IP_V6_DST)) {
              host = text(attributes.bytes());
            }
          }
        });
      }
    });
  }
  return host === undefined || port === undefined ? undefined : port + host;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
