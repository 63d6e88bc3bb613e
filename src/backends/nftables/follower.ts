/** Tells of changes that somebody else made to one of our tables, soon after they were made. */
import type { Logger } from "../../logging/logger.ts";
import { NftMonitor } from "../../netlink/nftables/monitor.ts";
import type { TableRef } from "../../netlink/nftables/objects.ts";

/** Looks for notifications; a repair shall be done within a second. */
const POLL_PERIOD_MS = 200;

export interface FollowerOptions {
  readonly table: TableRef;
  /** Whether a socket with this port id is ours. */
  readonly isOwn: (portId: number) => boolean;
  readonly onDrift: (what: string) => void;
  /** Looks at the table itself, after a time without notifications. */
  readonly look: () => Promise<string | undefined>;
  readonly logger: Logger;
}

/** Those of both families: the kernel tells everybody who listens of everything. */
const followers = new Set<Follower>();
let bulkWrites = 0;

/**
 * Does work that changes a great many elements, with no follower listening: for each element the kernel would make a
 * message, which doubles the time that it takes.
 */
export async function withoutFollowers<T>(work: () => Promise<T>): Promise<T> {
  if (bulkWrites++ === 0) for (const follower of followers) follower.pause();
  try {
    return await work();
  } finally {
    if (--bulkWrites === 0) for (const follower of followers) follower.resume();
  }
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #monitor: NftMonitor;
  readonly #timer: NodeJS.Timeout;

  /** Follows from now on. Throws a NetlinkError. */
  constructor(options: FollowerOptions) {
    const { table, isOwn, onDrift } = options;
    this.#options = options;
    this.#monitor = new NftMonitor({
      table,
      isOwn,
      onChange: ({ process, what }) => onDrift(`process ${process.pid} (${process.name}): ${what}`),
      onOverflow: () => onDrift(`notifications about table ${table.family} ${table.name} were lost`),
    });
    this.#timer = setInterval(() => this.poll(), POLL_PERIOD_MS);
    followers.add(this);
    if (bulkWrites > 0) this.pause();
  }

  poll(): void {
    this.#try(() => this.#monitor.poll());
  }

  pause(): void {
    this.#try(() => this.#monitor.pause());
  }

  /** Follows again, and looks for what happened meanwhile. */
  resume(): void {
    this.#try(() => this.#monitor.resume());
    const { look, onDrift, logger, table } = this.#options;
    look().then(
      (what) => what !== undefined && followers.has(this) && onDrift(what),
      (err: unknown) => logger.warn({ err, table }, "cannot look at the table"),
    );
  }

  close(): void {
    followers.delete(this);
    clearInterval(this.#timer);
    this.#monitor.close();
  }

  #try(call: () => void): void {
    const { logger, table } = this.#options;
    try {
      call();
    } catch (err) {
      logger.warn({ err, table }, "cannot follow changes of nf_tables");
    }
  }
}
