/** New connections, each for one small request: several clients in one process, who never wait for each other. */
import { Epoll } from "../../../src/relay/epoll.ts";
import * as libc from "../../../src/relay/libc.ts";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { connectTo, openSocket } from "../../../src/relay/sockets.ts";
import type { Amount, Way } from "./load-client.ts";
import {
  AF_INET,
  ECHO,
  EINPROGRESS,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  MSG_NOSIGNAL,
  SOCK_STREAM,
} from "./load-constants.ts";
import { REQUEST_BYTES } from "./load-converse.ts";

const PATIENCE_MS = 5_000;

const buffer = libc.allocate(REQUEST_BYTES);

interface Run {
  readonly epoll: Epoll;
  readonly addresses: readonly Buffer[];
  begun: number;
  done: number;
}

/** Connects, asks, reads the answer, closes, and does it again with the next address. */
class Client {
  readonly #run: Run;
  #fd = -1;
  #registration = 0;
  #hasAsked = false;

  constructor(run: Run) {
    this.#run = run;
    this.#begin();
  }

  onReady(events: number): void {
    if (!this.#hasAsked && (events & EPOLLOUT) !== 0) {
      this.#hasAsked = true;
      buffer.bytes[0] = ECHO;
      const sent = libc.send(this.#fd, buffer.address, REQUEST_BYTES, MSG_NOSIGNAL);
      if (sent < 0) throw new Error(`a connection failed: errno ${-sent}`);
    }
    if ((events & EPOLLIN) === 0) return;
    const received = libc.recv(this.#fd, buffer.address, REQUEST_BYTES, 0);
    if (received !== REQUEST_BYTES) throw new Error(`a connection broke: ${received}`);
    this.#run.done++;
    this.close();
    this.#begin();
  }

  close(): void {
    this.#run.epoll.forget(this.#registration);
    libc.close(this.#fd);
  }

  #begin(): void {
    const { epoll, addresses } = this.#run;
    this.#fd = openSocket(AF_INET, SOCK_STREAM);
    const result = connectTo(this.#fd, addresses[this.#run.begun++ % addresses.length]!);
    if (result < 0 && result !== -EINPROGRESS) throw new Error(`connect: errno ${-result}`);
    this.#hasAsked = false;
    this.#registration = epoll.add(this.#fd, EPOLLIN | EPOLLOUT | EPOLLET, this);
  }
}

/** Returns how many connections were answered. Throws when one is not. */
export function runConnections({ way, clients, ms }: { way: Way; clients: number; ms: number }): Amount {
  const addresses = way.hosts.map((host) => encodeSocketAddress(host, way.port));
  const run: Run = { epoll: new Epoll(), addresses, begun: 0, done: 0 };
  const fail = (error: unknown): never => {
    throw error;
  };
  const all = Array.from({ length: clients }, () => new Client(run));
  const started = performance.now();
  let elapsed = 0;
  for (; elapsed < ms; elapsed = performance.now() - started) {
    run.epoll.wait(PATIENCE_MS);
    run.epoll.dispatch(fail);
  }
  for (const client of all) client.close();
  run.epoll.close();
  if (run.done === 0) throw new Error(`no connection to ${way.hosts.join(", ")} was answered`);
  return { units: run.done, ms: elapsed };
}
