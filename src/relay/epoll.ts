/** The event loop's heart: which descriptors are ready. */
import { arch } from "node:os";
import { O_CLOEXEC } from "./constants.ts";
import * as libc from "./libc.ts";
import { RelayError } from "./relay-error.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;

/** Events fetched by one call. */
const BATCH = 512;

/** Layout of struct epoll_event: events (u32), then u64 data, which only x86-64 puts right behind it. */
export interface EventLayout {
  readonly bytes: number;
  readonly data: number;
}

/** The layout on a machine, by its name in Node. */
export function eventLayout(machine: string): EventLayout {
  return machine === "x64" ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 };
}

/** What is called when a descriptor is ready. */
export interface Watcher {
  /** `events` is a set of EPOLL… bits. */
  onReady(events: number): void;
}

/**
 * Each registration has a number of its own besides the descriptor: an event that was fetched before its descriptor was
 * closed, and the descriptor's number given to another socket, finds nobody.
 */
export class Epoll {
  readonly #fd: number;
  readonly #layout = eventLayout(arch());
  readonly #events: libc.Memory;
  readonly #control: libc.Memory;
  readonly #watchers = new Map<number, Watcher>();
  #lastId = 0;
  #ready = 0;

  /** Throws a RelayError. */
  constructor() {
    this.#events = libc.allocate(this.#layout.bytes * BATCH);
    this.#control = libc.allocate(16);
    this.#fd = libc.epollCreate(O_CLOEXEC);
    if (this.#fd < 0) throw new RelayError("create epoll instance", -this.#fd);
  }

  /** Watches a descriptor; returns the registration's number. Throws a RelayError. */
  add(fd: number, events: number, watcher: Watcher): number {
    const id = this.#nextId();
    this.#watchers.set(id, watcher);
    const result = this.#call(EPOLL_CTL_ADD, fd, events, id);
    if (result === 0) return id;
    this.#watchers.delete(id);
    throw new RelayError("watch socket", -result);
  }

  /** Changes which events are waited for. */
  change(id: number, fd: number, events: number): void {
    this.#call(EPOLL_CTL_MOD, fd, events, id);
  }

  /** Hands a registration over. */
  replace(id: number, watcher: Watcher): void {
    this.#watchers.set(id, watcher);
  }

  /** Forgets a registration whose descriptor the caller is about to close, which ends it in the kernel. */
  forget(id: number): void {
    this.#watchers.delete(id);
  }

  /** Waits for at most so many milliseconds until something is ready. Throws a RelayError. */
  wait(milliseconds: number): void {
    const count = libc.epollWait(this.#fd, this.#events.address, BATCH, milliseconds);
    if (count < 0) throw new RelayError("wait for events", -count);
    this.#ready = count;
  }

  /** Calls the watchers of what was ready. What one throws goes to `onError`. */
  dispatch(onError: (error: unknown, watcher: Watcher) => void): void {
    const { bytes } = this.#events;
    for (let i = 0, at = 0; i < this.#ready; i++, at += this.#layout.bytes) {
      const watcher = this.#watchers.get(bytes.readUInt32LE(at + this.#layout.data));
      if (watcher === undefined) continue;
      try {
        watcher.onReady(bytes.readUInt32LE(at));
      } catch (error) {
        onError(error, watcher);
      }
    }
  }

  close(): void {
    libc.close(this.#fd);
    this.#watchers.clear();
  }

  #call(operation: number, fd: number, events: number, id: number): number {
    const { bytes, address } = this.#control;
    bytes.writeUInt32LE(events >>> 0, 0);
    bytes.writeUInt32LE(id, this.#layout.data);
    return libc.epollControl(this.#fd, operation, fd, address);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#watchers.has(this.#lastId));
    return this.#lastId;
  }
}
