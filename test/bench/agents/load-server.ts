/**
 * Pods under load, in a process of their own, straight through libc: what is measured is the way to them. The first byte of
 * a connection says what is done with it: echoed ({@link ECHO}), or read and thrown away. A pod ends when its client does.
 */
import { Epoll } from "../../../src/relay/epoll.ts";
import * as libc from "../../../src/relay/libc.ts";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { accept, bindTo, openSocket, setOption } from "../../../src/relay/sockets.ts";
import { monotonicMs } from "./clock.ts";
import {
  AF_INET,
  ECHO,
  EPOLLIN,
  MSG_NOSIGNAL,
  SO_REUSEPORT,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./load-constants.ts";
import { answerCalls } from "./rpc.ts";

const BACKLOG = 4096;
const READ_BYTES = 128 * 1024;
/** How long calls wait while pods are served: Node's own loop gets its turn so often. */
const TURN_MS = 20;

const epoll = new Epoll();
const buffer = libc.allocate(READ_BYTES);

/** One connection. What it has received is read once per turn, so that all get theirs. */
class Served {
  readonly #fd: number;
  readonly #registration: number;
  #echoes: boolean | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    this.#registration = epoll.add(fd, EPOLLIN, this);
  }

  onReady(): void {
    const count = libc.recv(this.#fd, buffer.address, READ_BYTES, 0);
    if (count <= 0) {
      epoll.forget(this.#registration);
      libc.close(this.#fd);
      return;
    }
    this.#echoes ??= buffer.bytes[0] === ECHO;
    if (this.#echoes) libc.send(this.#fd, buffer.address, count, MSG_NOSIGNAL);
  }
}

/** Listens at the address of a pod, where others listen at all addresses. */
class Pod {
  readonly #fd: number;
  readonly #registration: number;
  readonly #onConnection: () => void;

  constructor(host: string, port: number, onConnection: () => void) {
    this.#fd = openSocket(AF_INET, SOCK_STREAM);
    this.#onConnection = onConnection;
    setOption(this.#fd, SOL_SOCKET, SO_REUSEPORT, 1);
    const result = bindTo(this.#fd, encodeSocketAddress(host, port)) || libc.listen(this.#fd, BACKLOG);
    if (result < 0) throw new Error(`listen on ${host}:${port}: errno ${-result}`);
    this.#registration = epoll.add(this.#fd, EPOLLIN, this);
  }

  onReady(): void {
    for (let fd = accept(this.#fd); fd >= 0; fd = accept(this.#fd)) {
      this.#onConnection();
      new Served(fd);
    }
  }

  close(): void {
    epoll.forget(this.#registration);
    libc.close(this.#fd);
  }
}

let pods: readonly Pod[] = [];
let sighting = Promise.withResolvers<number>();

function serve(): void {
  const until = performance.now() + TURN_MS;
  for (let left = TURN_MS; left > 0; left = Math.ceil(until - performance.now())) {
    epoll.wait(left);
    epoll.dispatch((error) => {
      throw error;
    });
  }
  setImmediate(serve);
}

const calls = {
  /** From now on all these pods are served here, and no others. The first connection to one of the awaited is the sighting. */
  watch(wanted: { awaited: readonly string[]; known: readonly string[]; port: number }): void {
    for (const pod of pods) pod.close();
    sighting = Promise.withResolvers();
    const { promise, resolve } = sighting;
    promise.catch(() => {});
    const { awaited, known, port } = wanted;
    pods = [
      ...awaited.map((host) => new Pod(host, port, () => resolve(monotonicMs()))),
      ...known.filter((host) => !awaited.includes(host)).map((host) => new Pod(host, port, () => {})),
    ];
  },

  /** When the sighting was; waits for it. */
  sighted(): Promise<number> {
    return sighting.promise;
  },
};

export type LoadServerCalls = typeof calls;

answerCalls(calls);
serve();
