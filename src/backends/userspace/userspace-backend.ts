/** userspace mode for one family: clients are redirected to a relay, which carries their bytes to an endpoint. */
import { type IpTablesClient, IpTablesError } from "#iptables-promise";
import { hasPolicyRoute } from "../../kernel/policy-routing.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import type { Logger } from "../../logging/logger.ts";
import type { IpFamily, ServiceKey, ServicePort } from "../../model/types.ts";
import { NetlinkError } from "../../netlink/errors.ts";
import { openIpset } from "../../netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { Relay } from "../../relay/relay.ts";
import { RelayError } from "../../relay/relay-error.ts";
import {
  type Backend,
  BackendError,
  type PortConnections,
  type ServiceChange,
  type SyncResult,
  type TrafficReport,
} from "../backend.ts";
import { findSetDrift } from "../ip-sets/find-sets.ts";
import { addToSets, removeFromSets } from "../ip-sets/write-entries.ts";
import { constantDrift } from "../iptables-chains/constant-rules.ts";
import { readKernel } from "../iptables-chains/read-kernel.ts";
import { removeUserspaceMode } from "./cleanup.ts";
import { isCarried } from "./compile-service.ts";
import { fullPass } from "./full-pass.ts";
import { MARKED } from "./names.ts";
import type { UserspaceOptions } from "./options.ts";
import { readPreviousPorts } from "./previous-ports.ts";
import { RelayCounters } from "./relay-counters.ts";
import { constantRules, type RelayPorts } from "./rules.ts";
import type { ServiceState } from "./service-state.ts";
import { setTable } from "./set-specs.ts";

const RELAY_ENDED = "the relay has ended";

/** How long clients get to finish when the program ends. */
const GRACE_MS = 5_000;

/** A relay that listens. */
export interface RunningRelay {
  readonly relay: Relay;
  readonly ports: RelayPorts;
  /** Ids of the virtual ports that it may have. */
  readonly ids: Set<string>;
}

export interface UserspaceBackendOptions {
  readonly family: IpFamily;
  readonly iptables: IpTablesClient;
  /** Asked at every full pass: addresses may have changed. */
  readonly userspaceOptions: () => Promise<UserspaceOptions>;
  /** `onDeath` is called when it ends though nobody stopped it. */
  readonly startRelay: (options: UserspaceOptions, onDeath: () => void) => Promise<RunningRelay>;
  readonly logger: Logger;
}

export class UserspaceBackend implements Backend {
  readonly mode = "userspace";
  readonly family: IpFamily;
  readonly #options: UserspaceBackendOptions;
  readonly #counters = new RelayCounters();
  readonly #refused = new Map<ServiceKey, string>();
  #running: RunningRelay | undefined;
  /** No Service has come yet and nothing of ours is in the kernel. Then no relay is started: one costs 20 MB and more. */
  #idle = false;
  #sets: NetlinkSocket | undefined;
  #onDrift: ((what: string) => void) | undefined;
  /** What is in relay and kernel since the last success. */
  #known: ServiceState | undefined;

  constructor(options: UserspaceBackendOptions) {
    this.family = options.family;
    this.#options = options;
  }

  async probe(): Promise<void> {
    try {
      await this.#options.iptables.save("nat");
      using socket = openIpset();
      await findSetDrift(socket, new Map(), new Map());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new BackendError("USERSPACE_UNAVAILABLE", `userspace does not work for ${this.family}: ${why}`, {
        cause: error,
      });
    }
  }

  async sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    if (this.#idle) {
      const all = [...changes];
      return hasPorts(all) ? this.resync(all) : nothingDone(false);
    }
    const [state, running] = [this.#known, this.#running];
    if (state === undefined || running === undefined)
      throw new BackendError("NEEDS_RESYNC", "a full pass has to come first");
    const started = performance.now();
    // Until all is written, the memory is ahead.
    this.#known = undefined;
    for (const [key, ports] of changes) {
      this.#noteRefused(key, ports);
      state.set(key, ports);
    }
    const { relay, added, removed } = state.takeDifference();
    const compiled = performance.now();
    try {
      const table = setTable(this.family);
      for (const { id } of relay.upsert) running.ids.add(id);
      await running.relay.update({ upsert: relay.upsert });
      const [refused] = addToSets(this.#openSets(), table, added);
      if (refused !== undefined) throw refused[1];
      removeFromSets(this.#openSets(), table, removed);
      await running.relay.update({ remove: relay.remove });
      for (const id of relay.remove) running.ids.delete(id);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#known = state;
    const entries = [...added.values(), ...removed.values()].reduce((sum, list) => sum + list.length, 0);
    return {
      full: false,
      refused: this.#refusedList(),
      phases: { compile: (compiled - started) / 1000, write: (performance.now() - compiled) / 1000 },
      owned: {},
      written: { virtual_ports: relay.upsert.length + relay.remove.length, set_entries: entries },
    };
  }

  async resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    const started = performance.now();
    this.#known = undefined;
    this.#refused.clear();
    for (const [key, ports] of all) this.#noteRefused(key, ports);
    try {
      this.#idle = await this.#hasNothing(all);
      if (this.#idle) return nothingDone(true);
      const options = await this.#options.userspaceOptions();
      const { relay, ports, ids } = await this.#run(options);
      const { iptables } = this.#options;
      const sets = this.#openSets();
      const result = await fullPass({ relay, ports, ids, sets, iptables, all, options });
      this.#known = result.state;
      return {
        full: true,
        refused: this.#refusedList(),
        phases: { write: (performance.now() - started) / 1000 },
        owned: {},
        written: { ...result.rulesWritten, set_entries: result.entriesWritten },
      };
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async checkDrift(): Promise<string | undefined> {
    if (this.#idle) return undefined;
    const [state, running] = [this.#known, this.#running];
    if (running === undefined) return RELAY_ENDED;
    if (state === undefined) return undefined;
    const wanted = constantRules(state.options, running.ports);
    const drift = constantDrift(await readKernel(this.#options.iptables), wanted);
    if (drift !== undefined) return drift;
    if (!hasMarkedRoute(state.options))
      return "the route of packets to clients whose address is kept is gone";
    const counts = new Map(Array.from(state.wantedEntries(), ([role, { size }]) => [role, size]));
    return findSetDrift(this.#openSets(), setTable(this.family), counts);
  }

  /** The kernel tells nobody of changes, but a relay that ends is noticed. */
  watchDrift(onDrift: (what: string) => void): () => void {
    this.#onDrift = onDrift;
    return () => {
      this.#onDrift = undefined;
    };
  }

  async cleanup(): Promise<void> {
    this.#known = undefined;
    try {
      await removeUserspaceMode(this.family);
    } catch (error) {
      throw backendError(error);
    }
  }

  readConnections(): Promise<readonly PortConnections[]> {
    return this.#counters.connections();
  }

  readTraffic(): Promise<TrafficReport> {
    return this.#counters.traffic();
  }

  ownUdpPorts(): ReadonlySet<number> {
    return new Set(Object.values(this.#running?.ports.UDP ?? {}));
  }

  async close(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.relay.stop({ graceMs: GRACE_MS });
  }

  async describe(): Promise<Readonly<Record<string, string | number>>> {
    const { version, variant } = await this.#options.iptables.version();
    return { iptables: version, variant };
  }

  async #hasNothing(all: Iterable<ServiceChange>): Promise<boolean> {
    if (this.#running !== undefined || hasPorts(all)) return false;
    return (await readPreviousPorts(this.#options.iptables)) === undefined;
  }

  async #run(options: UserspaceOptions): Promise<RunningRelay> {
    if (this.#running === undefined) {
      this.#running = await this.#options.startRelay(options, () => {
        this.#options.logger.error({ family: this.family }, "the relay has ended; it is started anew");
        this.#running = undefined;
        this.#known = undefined;
        this.#onDrift?.(RELAY_ENDED);
      });
      this.#counters.started(this.#running);
    }
    return this.#running;
  }

  #openSets(): NetlinkSocket {
    this.#sets ??= openIpset();
    return this.#sets;
  }

  /** A socket may be of no use after a failure. */
  #failed(error: unknown): unknown {
    this.#sets?.close();
    this.#sets = undefined;
    return backendError(error);
  }

  /** The other ports of the Service are served. */
  #noteRefused(key: ServiceKey, ports: readonly ServicePort[]): void {
    const refused = ports.filter(({ protocol }) => !isCarried(protocol)).map(({ label }) => label);
    if (refused.length === 0) this.#refused.delete(key);
    else this.#refused.set(key, `mode userspace does not carry SCTP: ${refused.join(", ")}`);
  }

  #refusedList(): SyncResult["refused"] {
    return Array.from(this.#refused, ([key, reason]) => ({ key, reason }));
  }
}

function hasPorts(services: Iterable<ServiceChange>): boolean {
  for (const [, ports] of services) if (ports.length > 0) return true;
  return false;
}

function nothingDone(full: boolean): SyncResult {
  return { full, refused: [], phases: {}, owned: {}, written: {} };
}

function hasMarkedRoute({ family, keepSourceMark }: UserspaceOptions): boolean {
  if (keepSourceMark === 0) return true;
  using socket = openRtnetlink();
  return hasPolicyRoute(socket, { family, mark: keepSourceMark, ...MARKED });
}

/** What kernel, program or relay refused as an error of the family; a defect of our own stays what it is. */
function backendError(error: unknown): unknown {
  if (error instanceof IpTablesError)
    return new BackendError("RESTORE_FAILED", error.message, { cause: error });
  if (error instanceof NetlinkError || error instanceof RelayError)
    return new BackendError("KERNEL_REFUSED", error.message, { cause: error });
  return error;
}
