/** The search for an endpoint that takes a client: one after the other, or beside each other where one is slow. */
import { ECONNREFUSED, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./constants.ts";
import { dial, dialFrom } from "./dial-socket.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Watcher } from "./epoll.ts";
import { failureReason } from "./failure-reason.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import { socketAddressOf } from "./socket-address.ts";
import { closeWithReset, takeError } from "./sockets.ts";
import type { Task } from "./timers.ts";
import type { FailureReason, RelaySettings, SourceClass, TriedEndpoint } from "./types.ts";
import type { VirtualPort } from "./virtual-port.ts";

/** All sockets of connections are watched for everything, and only for news. */
export const SOCKET_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** A client whose connection was accepted. */
export interface Client {
  readonly fd: number;
  /** Key of the address. */
  readonly host: string;
  /** Keys of address and original destination, with their ports. */
  readonly address: string;
  readonly destination: string;
  readonly source: SourceClass;
}

/** What a search is part of. */
export interface DialOwner {
  readonly loop: Loop;
  readonly settings: RelaySettings;
  /** An endpoint answered; its socket is watched. `events` are those it came with. Returns what to settle later. */
  onConnected(dial: Dial, attempt: Attempt, events: number): { settle(): void };
  /** No endpoint took the client, whose socket is still open. */
  onFailed(dial: Dial, reason: FailureReason, tried: readonly TriedEndpoint[]): void;
}

export class Dial implements Task {
  readonly client: Client;
  readonly port: VirtualPort;
  isOver = false;
  readonly #owner: DialOwner;
  readonly #deadline: number;
  readonly #tried: Endpoint[] = [];
  readonly #attempts = new Set<Attempt>();
  #keepsSource: boolean;
  #failures: TriedEndpoint[] | undefined;
  #result: { settle(): void } | undefined;

  constructor(owner: DialOwner, client: Client, port: VirtualPort) {
    this.#owner = owner;
    this.client = client;
    this.port = port;
    this.#keepsSource = port.keepSource === true || port.keepSource === client.source;
    this.#deadline = owner.loop.now + owner.settings.connectTimeoutMs;
  }

  get loop(): Loop {
    return this.#owner.loop;
  }

  /** Tries the first endpoint. */
  start(): void {
    this.#tryNext();
    // The timer runs once even if all goes well: then for what has to be set of a connection that lasts.
    if (!this.isOver) this.#startTimer();
  }

  /** Gives up; the client's socket is the caller's. */
  cancel(): void {
    this.isOver = true;
    for (const attempt of this.#attempts) this.#giveUp(attempt);
  }

  onTimer(now: number): void {
    if (this.isOver) {
      this.#result?.settle();
      return;
    }
    if (now >= this.#deadline) {
      this.#timeOut();
      return;
    }
    this.#tryNext();
    if (!this.isOver) this.#startTimer();
  }

  /** An attempt has connected. */
  onConnected(attempt: Attempt, events: number): void {
    const { endpoint } = attempt;
    const now = performance.now();
    this.#attempts.delete(attempt);
    endpoint.dialing--;
    // Those it has overtaken had their time.
    for (const slower of this.#attempts) {
      if (slower.startedAt < attempt.startedAt) this.#note(slower.endpoint, "timeout");
    }
    this.cancel();
    endpoint.asideUntil = 0;
    endpoint.dialTimes.add(now - attempt.startedAt);
    if (this.#tried.length > 1) this.port.settle(this.client.host, endpoint, now);
    this.#result = this.#owner.onConnected(this, attempt, events);
  }

  /** An attempt has failed. */
  onFailed(attempt: Attempt, errno: number): void {
    this.#giveUp(attempt);
    this.#note(attempt.endpoint, failureReason(errno));
    this.#tryNext();
  }

  /** Tries endpoints until one is under way. Without one, and none under way from before, the search has failed. */
  #tryNext(): void {
    const { settings, loop } = this.#owner;
    while (this.#tried.length < settings.connectAttempts) {
      const endpoint = this.port.pick(this.client.source, this.client.host, this.#tried, loop.now);
      if (endpoint === undefined) break;
      this.#tried.push(endpoint);
      const fd = this.#dial(endpoint);
      if (fd >= 0 && this.#watch(endpoint, fd)) return;
      this.#note(endpoint, fd >= 0 ? "resources" : failureReason(-fd));
    }
    this.#tryFromOwnAddress();
    if (this.#attempts.size === 0) this.#fail(this.#failures?.at(-1)?.reason ?? "noEndpoint");
  }

  /** With no endpoint left to try: the answers of silent ones, to the client's address, may go another way. */
  #tryFromOwnAddress(): void {
    if (!this.#keepsSource) return;
    this.#keepsSource = false;
    for (const { endpoint } of [...this.#attempts]) {
      const fd = this.#dial(endpoint);
      if (fd >= 0) this.#watch(endpoint, fd);
    }
  }

  /** False when the kernel has no memory to watch a socket, which is then closed. */
  #watch(endpoint: Endpoint, fd: number): boolean {
    try {
      this.#attempts.add(new Attempt(this, endpoint, fd));
      endpoint.dialing++;
      return true;
    } catch {
      libc.close(fd);
      return false;
    }
  }

  #dial(endpoint: Endpoint): number {
    if (this.#keepsSource && this.client.host !== endpoint.host) {
      const fd = dialFrom(socketAddressOf(this.client.address), endpoint);
      if (fd >= 0) return fd;
    }
    return dial(endpoint, this.loop.now);
  }

  /** Gives up an attempt. */
  #giveUp(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    attempt.close();
    attempt.endpoint.dialing--;
    this.port.forget(attempt.endpoint);
  }

  #startTimer(): void {
    const { raceAfterMs } = this.#owner.settings;
    const index = Math.min(this.#tried.length, raceAfterMs.length) - 1;
    const wait = raceAfterMs[index] ?? Number.POSITIVE_INFINITY;
    this.loop.after(Math.min(wait, this.#deadline - this.loop.now), this);
  }

  #timeOut(): void {
    for (const attempt of this.#attempts) this.#note(attempt.endpoint, "timeout");
    this.#fail("timeout");
  }

  /** Counts an endpoint's failure, and puts it aside unless it was not its fault. */
  #note(endpoint: Endpoint, reason: FailureReason): void {
    this.#failures ??= [];
    this.#failures.push({ endpoint: endpoint.text, reason });
    endpoint.counters.failures[reason]++;
    if (reason !== "resources") endpoint.asideUntil = this.loop.now + this.#owner.settings.penaltyMs;
  }

  #fail(reason: FailureReason): void {
    this.cancel();
    this.#owner.onFailed(this, reason, this.#failures ?? []);
  }
}

/** A connect that is under way. */
export class Attempt implements Watcher {
  readonly endpoint: Endpoint;
  readonly fd: number;
  readonly registration: number;
  readonly startedAt = performance.now();
  readonly #dial: Dial;

  /** Throws a RelayError when the kernel cannot watch the socket. */
  constructor(dial: Dial, endpoint: Endpoint, fd: number) {
    this.#dial = dial;
    this.endpoint = endpoint;
    this.fd = fd;
    this.registration = dial.loop.watch(fd, SOCKET_EVENTS, this);
  }

  onReady(events: number): void {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      this.#dial.onFailed(this, takeError(this.fd) || ECONNREFUSED);
    } else if ((events & EPOLLOUT) !== 0) {
      this.#dial.onConnected(this, events);
    }
  }

  /** With RST, in case that the endpoint answers at this moment. */
  close(): void {
    this.#dial.loop.epoll.forget(this.registration);
    closeWithReset(this.fd);
  }
}
