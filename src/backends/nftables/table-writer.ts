/** Commits changes of elements, with the chains that they need, and keeps count of what the table holds. */
import type { NetlinkRequest } from "../../netlink/messages.ts";
import { commit } from "../../netlink/nftables/batch.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import { type ElementChange, elementRequests } from "./element-change.ts";
import type { ExtraChains } from "./extra-chains.ts";
import { tableOf } from "./layout.ts";
import type { RuleOptions } from "./options.ts";

/** Sets by which packets are refused that no Service has taken before. */
const REFUSING: ReadonlySet<string> = new Set(["cluster-ips", "service-cidrs"]);

export interface WriteOptions {
  /** Requests to commit before, in the same transaction as the first changes. */
  readonly head?: readonly NetlinkRequest[];
  /** Everything in one transaction, whatever happens to packets between two lookups. */
  readonly atOnce?: boolean;
  /** Only if nobody changed any table since the ruleset had this number; else ERESTART. */
  readonly generation?: number | undefined;
}

export class TableWriter {
  readonly #socket: NetlinkSocket;
  readonly #chains: ExtraChains;
  readonly #table;
  readonly #sizes: Map<string, number>;

  /** `sizes`: elements by set. */
  constructor(
    socket: NetlinkSocket,
    { family }: RuleOptions,
    chains: ExtraChains,
    sizes: Iterable<readonly [string, number]>,
  ) {
    this.#socket = socket;
    this.#table = tableOf(family);
    this.#chains = chains;
    this.#sizes = new Map(sizes);
  }

  /** Elements by set. */
  get sizes(): ReadonlyMap<string, number> {
    return this.#sizes;
  }

  /** Commits changes. Throws a BatchError, after which earlier parts may have been committed. */
  write(
    changes: readonly ElementChange[],
    { head = [], atOnce = false, generation }: WriteOptions = {},
  ): void {
    const [first = [], ...rest] = atOnce ? [changes] : inOrder(changes);
    this.#commit(first, head, generation);
    for (const part of rest) this.#commit(part, [], undefined);
  }

  #commit(
    changes: readonly ElementChange[],
    head: readonly NetlinkRequest[],
    generation: number | undefined,
  ): void {
    const requests = [
      ...head,
      ...this.#chains.requestsFor(changes),
      ...elementRequests(this.#table, changes),
    ];
    const { family, name } = this.#table;
    try {
      commit(this.#socket, `change table ${family} ${name}`, requests, generation);
      this.#chains.committed();
    } catch (error) {
      this.#chains.failed();
      throw error;
    }
    for (const { set, before, after } of changes) {
      const difference = Number(after !== undefined) - Number(before !== undefined);
      if (difference !== 0) this.#sizes.set(set, (this.#sizes.get(set) ?? 0) + difference);
    }
  }
}

/**
 * Parts to commit one after the other. A packet looks its Service up before it looks up whether to be refused, and each
 * lookup sees the table of its own moment: an address must not be refused before its Service is there, nor after it went.
 */
function inOrder(changes: readonly ElementChange[]): ElementChange[][] {
  const parts: ElementChange[][] = [[], [], []];
  for (const change of changes) {
    const refusing = REFUSING.has(change.set);
    parts[refusing ? (change.after === undefined ? 0 : 2) : 1]?.push(change);
  }
  return parts.filter((part) => part.length > 0);
}
