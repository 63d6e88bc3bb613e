/** A UDP server that sends back what it gets. */

import * as libc from "../../../src/relay/libc.ts";
import { PacketMemory } from "../../../src/relay/packet-memory.ts";
import { parseSocketAddress, socketAddressLength } from "../../../src/relay/socket-address.ts";
import { bindTo, openSocket, setOption } from "../../../src/relay/sockets.ts";
import { inNetworkOf } from "../daemon-api/in-network.ts";
import type { Namespace } from "../testbed/namespace.ts";

const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const PKTINFO = { IPv4: [0, 8], IPv6: [41, 49] } as const;

export class EchoServer implements Disposable {
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  readonly #packets = new PacketMemory();

  /** `prefix` is put before what came, unless that is too much for a datagram. */
  constructor(namespace: Namespace, address: string, prefix = "") {
    const bytes = parseSocketAddress(address);
    this.#fd = inNetworkOf(namespace.pid, () => openSocket(bytes.readUInt16LE(0), SOCK_DGRAM));
    const [level, name] = bytes[0] === 2 ? PKTINFO.IPv4 : PKTINFO.IPv6;
    setOption(this.#fd, level, name, 1);
    setOption(this.#fd, 1, 33, 4 << 20);
    if (bindTo(this.#fd, bytes) < 0) throw new Error(`cannot bind to ${address}`);
    this.#timer = setInterval(() => this.#answer(prefix), 1);
  }

  #answer(prefix: string): void {
    const packets = this.#packets;
    for (;;) {
      let length = packets.receive(this.#fd, MSG_DONTWAIT);
      if (length < 0) return;
      const { bytes, peerAt } = packets;
      const peer = Buffer.from(bytes.subarray(peerAt, peerAt + socketAddressLength(bytes, peerAt)));
      const at = packets.localAddressAt();
      const local = Buffer.from(bytes.subarray(at, at + (peer[0] === 2 ? 4 : 16)));
      if (prefix !== "") {
        bytes.copyWithin(packets.dataAt + prefix.length, packets.dataAt, packets.dataAt + length);
        bytes.write(prefix, packets.dataAt, "latin1");
        length += prefix.length;
      }
      packets.send(this.#fd, peer, local, length, MSG_DONTWAIT);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    libc.close(this.#fd);
  }
}
