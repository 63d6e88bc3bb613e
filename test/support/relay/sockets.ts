/**
 * Plain sockets for tests, in any network namespace, without a framework's ideas about half-close, resets and buffers.
 * They never block; what has to wait looks again every millisecond.
 */
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as libc from "../../../src/relay/libc.ts";
import { endpointKey, endpointText, parseSocketAddress } from "../../../src/relay/socket-address.ts";
import {
  ADDRESS_AT,
  accept,
  addressBytes,
  bindTo,
  closeWithReset,
  connectTo,
  openSocket,
  PEER_AT,
  readOwnAddress,
  setOption,
  takeError,
} from "../../../src/relay/sockets.ts";
import { inNetworkOf } from "../daemon-api/in-network.ts";

const { EAGAIN, EINPROGRESS } = constants.errno;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
const SO_REUSEADDR = 2;
const MSG_PEEK = 2;

/** Anything in the network namespace of a process. */
type Namespace = Readonly<{ pid: number }>;

/** How long anything may take that should take no time. */
const PATIENCE_MS = 15_000;

const memory = libc.allocate(1 << 20);

/** What a read came to: data, the end of the stream, or an errno's name. */
export type Read = Buffer | "end" | string;

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `E${errno}`;
}

/** Calls `look` until it returns something. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(1);
  }
}

/** A TCP or connected UDP socket. */
export class TestSocket implements Disposable {
  readonly fd: number;
  /** Of an accepted socket: `ip:port`. */
  readonly peer: string;
  #isOpen = true;

  constructor(fd: number, peer = "") {
    if (fd < 0) throw new Error(errnoName(-fd));
    this.fd = fd;
    this.peer = peer;
  }

  /** Connects; throws an Error with the errno's name. */
  static async connect(namespace: Namespace, to: string): Promise<TestSocket> {
    const socket = TestSocket.begin(namespace, to);
    await until(`connect to ${to}`, () => {
      const sent = libc.send(socket.fd, memory.address, 0, MSG_NOSIGNAL);
      if (sent === -EAGAIN || sent === -constants.errno.ENOTCONN) {
        const error = takeError(socket.fd);
        if (error !== 0) throw new Error(errnoName(error));
        return false;
      }
      if (sent < 0) throw new Error(errnoName(-sent));
      return true;
    });
    return socket;
  }

  /** Begins to connect. */
  static begin(namespace: Namespace, to: string): TestSocket {
    const socket = TestSocket.open(namespace, to);
    socket.start(to);
    return socket;
  }

  /** Begins to connect many; one by one, going into the namespace would cost more memory than the sockets. */
  static beginMany(namespace: Namespace, to: string, count: number): TestSocket[] {
    const family = parseSocketAddress(to).readUInt16LE(0);
    const sockets = inNetworkOf(namespace.pid, () =>
      Array.from({ length: count }, () => new TestSocket(openSocket(family, SOCK_STREAM))),
    );
    for (const socket of sockets) socket.start(to);
    return sockets;
  }

  /** A socket of an address's family that does nothing yet. */
  static open(namespace: Namespace, to: string, type = SOCK_STREAM): TestSocket {
    const family = parseSocketAddress(to).readUInt16LE(0);
    return new TestSocket(inNetworkOf(namespace.pid, () => openSocket(family, type)));
  }

  /** Begins to connect. */
  start(to: string): void {
    const result = connectTo(this.fd, parseSocketAddress(to));
    if (result < 0 && result !== -EINPROGRESS) throw new Error(errnoName(-result));
  }

  /** A UDP socket connected to an address, from one of its own if that is given. */
  static udp(namespace: Namespace, to: string, from?: string): TestSocket {
    const socket = TestSocket.open(namespace, to, SOCK_DGRAM);
    if (from !== undefined) bindTo(socket.fd, parseSocketAddress(from));
    socket.start(to);
    return socket;
  }

  setOption(level: number, name: number, value: number): void {
    setOption(this.fd, level, name, value);
  }

  /** Its own address. */
  get address(): string {
    readOwnAddress(this.fd);
    return endpointText(endpointKey(addressBytes, ADDRESS_AT));
  }

  /** Sends what the kernel takes; the count, or an errno's name. */
  trySend(data: Buffer | string): number | string {
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data);
    bytes.copy(memory.bytes);
    const sent = libc.send(
      this.fd,
      memory.address,
      Math.min(bytes.length, memory.bytes.length),
      MSG_NOSIGNAL,
    );
    return sent < 0 ? errnoName(-sent) : sent;
  }

  /** Sends all. */
  async send(data: Buffer | string): Promise<void> {
    const bytes = Buffer.from(data);
    for (let done = 0; done < bytes.length; ) {
      const sent = this.trySend(bytes.subarray(done));
      if (typeof sent === "number") done += sent;
      else if (sent === "EAGAIN") await sleep(1);
      else throw new Error(sent);
    }
  }

  /** What there is to read; undefined when there is nothing. */
  tryRead(length = memory.bytes.length, flags = 0): Read | undefined {
    const count = libc.recv(this.fd, memory.address, length, flags);
    if (count === -EAGAIN) return undefined;
    if (count < 0) return errnoName(-count);
    return count === 0 ? "end" : Buffer.from(memory.bytes.subarray(0, count));
  }

  /** The next piece of data, the end or an error. */
  read(): Promise<Read> {
    return until("read", () => this.tryRead());
  }

  /** Whether something waits to be read, without reading it. */
  get hasNews(): boolean {
    return this.tryRead(1, MSG_PEEK) !== undefined;
  }

  /** Reads so many bytes; throws when the stream ends or fails before. */
  async readBytes(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let count = 0;
    while (count < length) {
      const part = await until("read", () => this.tryRead(Math.min(length - count, memory.bytes.length)));
      if (!Buffer.isBuffer(part)) throw new Error(`after ${count} of ${length} bytes: ${part}`);
      parts.push(part);
      count += part.length;
    }
    return Buffer.concat(parts);
  }

  /** Reads to the end: text and how it ended ("end" or an errno's name). */
  async readAll(): Promise<{ text: string; end: string }> {
    let text = "";
    for (;;) {
      const part = await this.read();
      if (!Buffer.isBuffer(part)) return { text, end: part };
      text += part.toString("latin1");
    }
  }

  /** Sends FIN. */
  finish(): void {
    libc.shutdown(this.fd, 1);
  }

  /** Sends RST. */
  reset(): void {
    if (this.#isOpen) closeWithReset(this.fd);
    this.#isOpen = false;
  }

  close(): void {
    if (this.#isOpen) libc.close(this.fd);
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A listening TCP socket. */
export class TestServer implements Disposable {
  readonly fd: number;

  constructor(namespace: Namespace, address: string, prepare: (fd: number) => void = () => {}) {
    const bytes = parseSocketAddress(address);
    this.fd = inNetworkOf(namespace.pid, () => openSocket(bytes.readUInt16LE(0), SOCK_STREAM));
    setOption(this.fd, 1, SO_REUSEADDR, 1);
    prepare(this.fd);
    const result = bindTo(this.fd, bytes) || libc.listen(this.fd, 4096);
    if (result < 0) throw new Error(`listen on ${address}: ${errnoName(-result)}`);
  }

  tryAccept(): TestSocket | undefined {
    const fd = accept(this.fd);
    return fd < 0 ? undefined : new TestSocket(fd, endpointText(endpointKey(addressBytes, PEER_AT)));
  }

  accept(): Promise<TestSocket> {
    return until("accept", () => this.tryAccept());
  }

  [Symbol.dispose](): void {
    libc.close(this.fd);
  }
}
