/** nftables mode for one family: Services and endpoints are elements of the table `kube-proxy`, written through netlink. */
import { release } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "../../logging/logger.ts";
import type { IpFamily, ServiceKey } from "../../model/types.ts";
import { isNetlinkError, NetlinkError } from "../../netlink/errors.ts";
import type { NetlinkRequest } from "../../netlink/messages.ts";
import { commit, openNftables } from "../../netlink/nftables/batch.ts";
import { dumpElements } from "../../netlink/nftables/dump-elements.ts";
import { NftMonitor } from "../../netlink/nftables/monitor.ts";
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
import { baseRequests } from "./base-table.ts";
import { address, cidrRange } from "./bytes.ts";
import type { Claim, ClaimChange } from "./claims.ts";
import { type ElementChange, elementRequests, INTERVAL_SETS, RANGE_SETS } from "./element-change.ts";
import { expand, SERVICE_CIDRS } from "./expand.ts";
import { ExtraChains } from "./extra-chains.ts";
import * as layout from "./layout.ts";
import type { TableOptions } from "./options.ts";
import { probeKernel } from "./probe.ts";
import { ServiceState } from "./service-state.ts";
import { slotsIn } from "./slots-in.ts";
import { type Elements, readTable, type TableState } from "./table-state.ts";

/** Elements in one commit of a full pass: some 30 ms, during which the kernel lets nobody else change its rules. */
const ELEMENTS_PER_COMMIT = 20_000;
/** Looks for notifications of foreign changes; a repair shall be done within a second. */
const MONITOR_PERIOD_MS = 200;
/** How often a table that somebody else keeps changing is read again before it is written anyway. */
const READ_ATTEMPTS = 5;

export interface NftablesBackendOptions {
  readonly family: IpFamily;
  /** Asked at every full pass: addresses and CIDRs may have changed. */
  readonly tableOptions: () => Promise<TableOptions>;
  readonly logger: Logger;
  /** Count connections; as `tableOptions` says, but known before. */
  readonly counters: boolean;
}

export class NftablesBackend implements Backend {
  readonly mode = "nftables";
  readonly family: IpFamily;
  readonly readConnections?: () => Promise<readonly PortConnections[]>;
  readonly #makeOptions: () => Promise<TableOptions>;
  readonly #logger: Logger;
  readonly #table;
  readonly #addressBytes: 4 | 16;
  #socket: NetlinkSocket | undefined;
  #monitor: NftMonitor | undefined;
  /** Undefined: what the kernel holds is not known. */
  #state: ServiceState | undefined;
  #chains: ExtraChains | undefined;
  /** Elements by set. */
  #sizes = new Map<string, number>();
  #refused = new Map<ServiceKey, string>();

  constructor({ family, tableOptions, logger, counters }: NftablesBackendOptions) {
    this.family = family;
    this.#makeOptions = tableOptions;
    this.#logger = logger;
    this.#table = layout.tableOf(family);
    this.#addressBytes = family === "IPv4" ? 4 : 16;
    if (counters) this.readConnections = () => this.#readConnections();
  }

  async probe(): Promise<void> {
    probeKernel(this.#open(), this.family);
  }

  async sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    const state = this.#state;
    if (state === undefined) throw new BackendError("NEEDS_RESYNC", "a full pass has to come first");
    const started = performance.now();
    // Until the commit has succeeded, the memory is ahead of the kernel.
    this.#state = undefined;
    for (const [key, ports] of changes) this.#take(state, key, () => state.set(key, ports));
    const elements = this.#expandAll(state.takeChanges());
    const requests = this.#requests(elements);
    const compiled = performance.now();
    this.#commit(requests);
    this.#noteCommitted(elements);
    this.#state = state;
    const phases = { compile: (compiled - started) / 1000, commit: (performance.now() - compiled) / 1000 };
    return this.#result(false, phases, elements.length);
  }

  async resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    const options = await this.#makeOptions();
    this.#state = undefined;
    this.#monitor?.pause();
    try {
      return await this.#resync(all, options);
    } catch (error) {
      throw transactionError(error);
    } finally {
      this.#monitor?.resume();
    }
  }

  async #resync(all: Iterable<ServiceChange>, options: TableOptions): Promise<SyncResult> {
    for (let attempt = 1; ; attempt++) {
      const started = performance.now();
      const kernel = await readTable(this.#open(), options);
      const read = performance.now();
      const state = this.#compileAll(all, options, kernel.elements);
      const compiled = performance.now();
      try {
        const written = await this.#writeDifference(state, kernel, options, attempt < READ_ATTEMPTS);
        this.#state = state;
        const phases = {
          read: (read - started) / 1000,
          compile: (compiled - read) / 1000,
          commit: (performance.now() - compiled) / 1000,
        };
        return this.#result(true, phases, written);
      } catch (error) {
        // Somebody else committed something between our reading and writing.
        if (!isNetlinkError(error, "ERESTART") || attempt >= READ_ATTEMPTS) throw error;
      }
    }
  }

  #compileAll(all: Iterable<ServiceChange>, options: TableOptions, elements: Elements): ServiceState {
    const state = new ServiceState(options);
    state.setTableClaims(tableClaims(options));
    this.#refused.clear();
    const previous = slotsIn(elements);
    for (const [key, ports] of all) this.#take(state, key, () => state.set(key, ports, previous));
    state.takeChanges();
    return state;
  }

  /** A Service whose text must not enter a rule is refused alone; the store lets no such text through. */
  #take(state: ServiceState, key: ServiceKey, set: () => void): void {
    this.#refused.delete(key);
    try {
      set();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#refused.set(key, error.message);
      state.set(key, []);
    }
  }

  /**
   * Brings the kernel from what it has to what it should have: in one transaction when a table has to be replaced, else
   * Service by Service in transactions of bounded size. What is right stays untouched. Returns the elements written.
   */
  async #writeDifference(
    state: ServiceState,
    kernel: TableState,
    options: TableOptions,
    guarded: boolean,
  ): Promise<number> {
    const { elements } = kernel;
    this.#chains = new ExtraChains(options, kernel.chains);
    this.#sizes = new Map([...elements].map(([set, { size }]) => [set, size]));
    let generation = guarded ? kernel.generation : undefined;
    let written = 0;
    const write = (changes: readonly ElementChange[], before: readonly NetlinkRequest[] = []): void => {
      const requests = [...before, ...this.#requests(changes)];
      if (requests.length === 0) return;
      this.#commit(requests, generation);
      this.#noteCommitted(changes);
      // Only the first depends on what was read; later ones touch what nobody has seen yet.
      generation = undefined;
      written += changes.length;
    };
    const replace = kernel.mismatch !== undefined;
    let head: NetlinkRequest[] = [];
    if (replace) {
      head = baseRequests(options).map(({ request }) => request);
      if (kernel.exists) {
        head.unshift(deleteTable(this.#table));
        this.#logger.info({ family: this.family, why: kernel.mismatch }, "replacing the table");
      }
    }
    const atOnce = replace && kernel.exists ? Number.POSITIVE_INFINITY : ELEMENTS_PER_COMMIT;
    let changes: ElementChange[] = [];
    const flush = async (): Promise<void> => {
      write(changes, head);
      head = [];
      changes = [];
      await nextTurn();
    };
    for (const owner of state.owners()) {
      for (const claim of state.effective(owner)) {
        for (const wanted of expand(
          { ...claim, before: undefined, after: claim.value },
          this.#addressBytes,
        )) {
          const change = compareAndForget(elements, wanted);
          if (change !== undefined) changes.push(change);
        }
      }
      if (changes.length >= atOnce) await flush();
    }
    for (const change of left(elements)) changes.push(change);
    await flush();
    return written;
  }

  #expandAll(changes: readonly ClaimChange[]): ElementChange[] {
    return changes.flatMap((change) => [...expand(change, this.#addressBytes)]);
  }

  /** Requests for changed elements, behind those for chains that they lead to. */
  #requests(changes: readonly ElementChange[]): NetlinkRequest[] {
    return [...(this.#chains?.requestsFor(changes) ?? []), ...elementRequests(this.#table, changes)];
  }

  #commit(requests: readonly NetlinkRequest[], generation?: number): void {
    try {
      commit(this.#open(), `change table ${this.#table.family} ${this.#table.name}`, requests, generation);
      this.#chains?.committed();
    } catch (error) {
      this.#chains?.failed();
      if (isNetlinkError(error, "ERESTART")) throw error;
      throw transactionError(error);
    }
  }

  #noteCommitted(changes: readonly ElementChange[]): void {
    for (const { set, before, after } of changes) {
      const difference = Number(after !== undefined) - Number(before !== undefined);
      if (difference !== 0) this.#sizes.set(set, (this.#sizes.get(set) ?? 0) + difference);
    }
  }

  async checkDrift(): Promise<string | undefined> {
    this.#monitor?.poll();
    if (this.#state === undefined) return undefined;
    const sets = await listSets(this.#open(), this.#table);
    if (sets.length === 0) return `table ${this.#table.family} ${this.#table.name} is gone or empty`;
    for (const { name, count } of sets) {
      const wanted = this.#sizes.get(name);
      // What packets fill changes by itself; of intervals the kernel counts halves.
      if (count === undefined || wanted === undefined || INTERVAL_SETS.has(name) || RANGE_SETS.has(name))
        continue;
      if (count !== wanted) return `set ${name} has ${count} elements instead of ${wanted}`;
    }
    return undefined;
  }

  watchDrift(onDrift: (what: string) => void): () => void {
    const { family, name } = this.#table;
    const monitor = new NftMonitor({
      table: this.#table,
      isOwn: (portId) => portId === this.#socket?.portId,
      onChange: ({ process, what }) => onDrift(`process ${process.pid} (${process.name}): ${what}`),
      onOverflow: () => onDrift(`notifications about table ${family} ${name} were lost`),
    });
    this.#monitor = monitor;
    const timer = setInterval(() => this.#poll(monitor), MONITOR_PERIOD_MS);
    timer.unref();
    return () => {
      clearInterval(timer);
      this.#monitor = undefined;
      monitor.close();
    };
  }

  #poll(monitor: NftMonitor): void {
    try {
      monitor.poll();
    } catch (error) {
      this.#logger.warn({ err: error, family: this.family }, "cannot follow changes of nf_tables");
    }
  }

  async cleanup(): Promise<void> {
    try {
      commit(this.#open(), `delete table ${this.#table.family} ${this.#table.name}`, [
        deleteTable(this.#table),
      ]);
    } catch (error) {
      if (!isNetlinkError(error, "ENOENT")) throw transactionError(error);
    }
  }

  async describe(): Promise<Readonly<Record<string, string | number>>> {
    return { kernel: release(), table: `${this.#table.family} ${this.#table.name}` };
  }

  async #readConnections(): Promise<readonly PortConnections[]> {
    const state = this.#state;
    if (state === undefined) return [];
    const packets = new Map<string, number>();
    // A socket of its own: a sync may come in between.
    using socket = openNftables();
    for (const way of layout.WAYS) {
      const set = layout.servicesMap(way);
      try {
        for await (const reader of dumpElements(socket, this.#table, set)) {
          while (reader.next()) packets.set(`${set} ${reader.key()}`, reader.packets);
        }
      } catch (error) {
        // Torn by a commit: an element may be missing, which then counts as not having moved.
        if (!isNetlinkError(error, "EINTR")) throw error;
      }
    }
    return Array.from(state.counted(), ({ port, at }) => ({
      ...port,
      connections: at.reduce((sum, { set, key }) => sum + (packets.get(`${set} ${key}`) ?? 0), 0),
    }));
  }

  #open(): NetlinkSocket {
    this.#socket ??= openNftables();
    return this.#socket;
  }

  #result(full: boolean, phases: Readonly<Record<string, number>>, written: number): SyncResult {
    let elements = 0;
    for (const size of this.#sizes.values()) elements += size;
    return {
      full,
      refused: [...this.#refused].map(([key, reason]) => ({ key, reason })),
      phases,
      owned: { elements },
      written: { elements: written },
    };
  }
}

/** What belongs in the table whatever Services there are. */
function tableClaims({ nodePortAddresses, serviceCIDRs }: TableOptions): Claim[] {
  return [
    ...nodePortAddresses.map((ip) => ({ set: "nodeport-ips", key: address(ip), value: "" })),
    ...serviceCIDRs
      .map(cidrRange)
      .map(({ first, last }) => ({ set: SERVICE_CIDRS, key: first, value: last })),
  ];
}

/** The change that makes an element right, undefined if it is; forgets it, so that what is left in the end is stale. */
function compareAndForget(elements: Elements, { set, key, after }: ElementChange): ElementChange | undefined {
  const present = elements.get(set);
  const before = present?.get(key);
  if (before !== undefined) present?.delete(key);
  return before === after ? undefined : { set, key, before, after };
}

function* left(elements: Elements): Generator<ElementChange> {
  for (const [set, keys] of elements) {
    if (set === layout.DRAW) continue; // Chains stay for Services to come.
    for (const [key, before] of keys) yield { set, key, before, after: undefined };
  }
}

/** What the kernel refused as an error of the family; a defect of our own stays what it is. */
function transactionError(error: unknown): unknown {
  if (!(error instanceof NetlinkError)) return error;
  return new BackendError("TRANSACTION_FAILED", error.message, { cause: error });
}
