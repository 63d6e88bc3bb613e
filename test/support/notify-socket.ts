/** The socket on which a service manager listens: keeps every notice that it gets. */
import { closeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import koffi from "koffi";
import { AF_UNIX, encodeUnixAddress, SOCK_DGRAM } from "../../src/kernel/unix-datagram.ts";
import { isNetlinkError } from "../../src/netlink/errors.ts";
import { MSG_DONTWAIT, recv, socket } from "../../src/netlink/libc.ts";

const NOTICE_BYTES = 4096;
const POLL_MS = 20;

export class NotifySocket {
  readonly #fd: number;
  readonly #notices: string[] = [];

  /** Listens at a path that does not exist, or at `@` and an abstract name. */
  constructor(address: string) {
    this.#fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    const bytes = encodeUnixAddress(address);
    const bind = koffi.load(null).func("int bind(int fd, const void *address, uint32_t length)");
    if (bind(this.#fd, bytes, bytes.length) !== 0) throw new Error(`bind ${address}: errno ${koffi.errno()}`);
  }

  /** All notices so far, oldest first. */
  get notices(): readonly string[] {
    for (let notice = this.#receive(); notice !== undefined; notice = this.#receive())
      this.#notices.push(notice);
    return this.#notices;
  }

  /** The last text of a status line. */
  get status(): string | undefined {
    return this.notices.flatMap((notice) => /^STATUS=(.*)$/m.exec(notice)?.[1] ?? []).at(-1);
  }

  /** How many notices have this line. */
  count(line: string): number {
    return this.notices.filter((notice) => notice.split("\n").includes(line)).length;
  }

  /** Waits for a notice with this line. */
  async until(line: string, timeoutMs = 30_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.count(line) === 0) {
      if (Date.now() > deadline) throw new Error(`no ${line} in ${JSON.stringify(this.#notices)}`);
      await delay(POLL_MS);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #receive(): string | undefined {
    const buffer = Buffer.alloc(NOTICE_BYTES);
    try {
      return buffer.toString("utf8", 0, recv(this.#fd, buffer, MSG_DONTWAIT));
    } catch (error) {
      if (isNetlinkError(error, "EAGAIN")) return undefined;
      throw error;
    }
  }
}
