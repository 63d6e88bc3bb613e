/** nftables mode for one family: Services and endpoints are elements of the table `kube-proxy`, written through netlink. */
import { release } from "node:os";
import type { Logger } from "../../logging/logger.ts";
import type { IpFamily, ServiceKey } from "../../model/types.ts";
import { isNetlinkError, NetlinkError } from "../../netlink/errors.ts";
import { commit, openNftables } from "../../netlink/nftables/batch.ts";
import { deleteTable } from "../../netlink/nftables/objects.ts";
import { listSets } from "../../netlink/nftables/read.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import {
  type Backend,
  BackendError,
  type PortConnections,
  type ServiceChange,
  type SyncResult,
} from "../backend.ts";
import { readCounters } from "./counters.ts";
import { INTERVAL_SETS, RANGE_SETS } from "./element-change.ts";
import { expand } from "./expand.ts";
import { Follower, withoutFollowers } from "./follower.ts";
import { fullPass } from "./full-pass.ts";
import { DRAW, tableOf } from "./layout.ts";
import type { TableOptions } from "./options.ts";
import { probeKernel } from "./probe.ts";
import type { PreviousSlots, ServiceState } from "./service-state.ts";
import type { TableWriter } from "./table-writer.ts";

const UNCOUNTED: ReadonlySet<string> = new Set([...INTERVAL_SETS, ...RANGE_SETS, DRAW]);

export interface NftablesBackendOptions {
  readonly family: IpFamily;
  /** Asked at every full pass: addresses and CIDRs may have changed. */
  readonly tableOptions: () => Promise<TableOptions>;
  /** Count connections; as `tableOptions` says, but known before. */
  readonly counters: boolean;
  readonly logger: Logger;
}

/** What is in the kernel since the last success. */
interface Known {
  readonly state: ServiceState;
  readonly writer: TableWriter;
}

export class NftablesBackend implements Backend {
  readonly mode = "nftables";
  readonly family: IpFamily;
  readonly readConnections?: () => Promise<readonly PortConnections[]>;
  readonly #makeOptions: () => Promise<TableOptions>;
  readonly #logger: Logger;
  readonly #table;
  #socket: NetlinkSocket | undefined;
  #follower: Follower | undefined;
  #known: Known | undefined;
  /** What was known before a failure: no longer true, but a good guess. */
  #guess: ServiceState | undefined;
  readonly #refused = new Map<ServiceKey, string>();

  constructor({ family, tableOptions, logger, counters }: NftablesBackendOptions) {
    this.family = family;
    this.#makeOptions = tableOptions;
    this.#logger = logger;
    this.#table = tableOf(family);
    if (counters) this.readConnections = () => this.#readConnections();
  }

  async probe(): Promise<void> {
    probeKernel(this.#open(), this.family);
  }

  async sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    if (this.#known === undefined) throw new BackendError("NEEDS_RESYNC", "a full pass has to come first");
    const { state, writer } = this.#known;
    const started = performance.now();
    // Until the commit has succeeded, the memory is ahead of the kernel.
    this.#known = undefined;
    for (const change of changes) this.#take(state, change, state.slotsOf(change[0]));
    const addressBytes = this.family === "IPv4" ? 4 : 16;
    const elements = state.takeChanges().flatMap((change) => [...expand(change, addressBytes)]);
    const compiled = performance.now();
    try {
      writer.write(elements);
    } catch (error) {
      throw transactionError(error);
    }
    this.#known = { state, writer };
    const phases = { compile: (compiled - started) / 1000, commit: (performance.now() - compiled) / 1000 };
    return this.#result(false, phases, elements.length, writer);
  }

  async resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    const options = await this.#makeOptions();
    this.#known = undefined;
    return withoutFollowers(async () => {
      try {
        this.#refused.clear();
        const take = this.#take.bind(this);
        const { state, writer, written, phases } = await fullPass({
          socket: this.#open(),
          all,
          options,
          guess: this.#guess,
          take,
          logger: this.#logger,
        });
        this.#known = { state, writer };
        this.#guess = state;
        return this.#result(true, phases, written, writer);
      } catch (error) {
        throw transactionError(error);
      }
    });
  }

  /** A Service whose text must not enter a rule is refused alone; the store lets no such text through. */
  #take(state: ServiceState, [key, ports]: ServiceChange, previous: PreviousSlots): void {
    this.#refused.delete(key);
    try {
      state.set(key, ports, previous);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#refused.set(key, error.message);
      state.set(key, [], previous);
    }
  }

  async checkDrift(): Promise<string | undefined> {
    this.#follower?.poll();
    return this.#look();
  }

  /** Compares numbers of elements: quick, and enough to find what no notification told of. */
  async #look(): Promise<string | undefined> {
    // A socket of its own: it may be looked at while something is written.
    using socket = openNftables();
    const sets = await listSets(socket, this.#table);
    if (this.#known === undefined) return undefined;
    const { sizes } = this.#known.writer;
    if (sets.length === 0) return `table ${this.#table.family} ${this.#table.name} is gone or empty`;
    for (const { name, count } of sets) {
      const wanted = sizes.get(name) ?? 0;
      // What packets fill changes by itself; chains are not counted; of intervals the kernel counts halves.
      if (count === undefined || UNCOUNTED.has(name) || name.endsWith("affinity-clients")) continue;
      if (count !== wanted) return `set ${name} has ${count} elements instead of ${wanted}`;
    }
    return undefined;
  }

  watchDrift(onDrift: (what: string) => void): () => void {
    const follower = new Follower({
      table: this.#table,
      isOwn: (portId) => portId === this.#socket?.portId,
      onDrift,
      look: () => this.#look(),
      logger: this.#logger,
    });
    this.#follower = follower;
    return () => {
      this.#follower = undefined;
      follower.close();
    };
  }

  async cleanup(): Promise<void> {
    const { family, name } = this.#table;
    try {
      commit(this.#open(), `delete table ${family} ${name}`, [deleteTable(this.#table)]);
    } catch (error) {
      if (!isNetlinkError(error, "ENOENT")) throw transactionError(error);
    }
  }

  async describe(): Promise<Readonly<Record<string, string | number>>> {
    return { kernel: release(), table: `${this.#table.family} ${this.#table.name}` };
  }

  async #readConnections(): Promise<readonly PortConnections[]> {
    return this.#known === undefined ? [] : readCounters(this.#table, this.#known.state);
  }

  #open(): NetlinkSocket {
    this.#socket ??= openNftables();
    return this.#socket;
  }

  #result(
    full: boolean,
    phases: Readonly<Record<string, number>>,
    written: number,
    { sizes }: TableWriter,
  ): SyncResult {
    let elements = 0;
    for (const size of sizes.values()) elements += size;
    return {
      full,
      refused: [...this.#refused].map(([key, reason]) => ({ key, reason })),
      phases,
      owned: { elements },
      written: { elements: written },
    };
  }
}

/** What the kernel refused as an error of the family; a defect of our own stays what it is. */
function transactionError(error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  return new BackendError("TRANSACTION_FAILED", error.message, { cause: error });
}
