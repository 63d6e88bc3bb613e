/** ipvs mode for one family: Services are virtual servers of the kernel, with sets and constant rules around them. */
import { release } from "node:os";
import { type IpTablesClient, IpTablesError } from "#iptables-promise";
import { IpvsError } from "#ipvs-netlink";
import type { IpFamily } from "../../model/types.ts";
import { NetlinkError } from "../../netlink/errors.ts";
import {
  type Backend,
  BackendError,
  type PortConnections,
  type ServiceChange,
  type SyncResult,
} from "../backend.ts";
import { type ConstantRules, constantDrift } from "../iptables-chains/constant-rules.ts";
import { DriftDetector } from "../iptables-chains/drift.ts";
import { readKernel } from "../iptables-chains/read-kernel.ts";
import { removeIpvsMode } from "./cleanup.ts";
import { readCounters } from "./counters.ts";
import { differenceOf } from "./difference.ts";
import { findDrift } from "./drift.ts";
import { fullPass } from "./full-pass.ts";
import { closeKernel, type IpvsKernel, openKernel } from "./kernel.ts";
import type { IpvsOptions } from "./options.ts";
import { probeKernel } from "./probe.ts";
import { Refusals } from "./refusals.ts";
import { constantRules } from "./rules.ts";
import type { ServiceState } from "./service-state.ts";
import { DRAIN_CHECK_MS, removeDrained } from "./tend.ts";
import type { Writer } from "./writer.ts";

export interface IpvsBackendOptions {
  readonly family: IpFamily;
  readonly iptables: IpTablesClient;
  readonly scheduler: string;
  /** Asked at every full pass: addresses may have changed. */
  readonly ipvsOptions: () => Promise<IpvsOptions>;
  /** Number of the last change of nf_tables; asked only on iptables-nft. */
  readonly readGeneration: () => number;
  /** Tell how many connections every service port had. */
  readonly counters: boolean;
}

/** What is in the kernel since the last success. */
interface Known {
  readonly state: ServiceState;
  readonly writer: Writer;
}

export class IpvsBackend implements Backend {
  readonly mode = "ipvs";
  readonly family: IpFamily;
  readonly readConnections?: () => Promise<readonly PortConnections[]>;
  readonly #options: IpvsBackendOptions;
  readonly #refusals = new Refusals();
  #kernel: IpvsKernel | undefined;
  #known: Known | undefined;
  /** What iptables should hold, as of the last full pass. */
  #rules: ConstantRules | undefined;
  #ruleDrift: DriftDetector;

  constructor(options: IpvsBackendOptions) {
    this.family = options.family;
    this.#options = options;
    this.#ruleDrift = this.#detectRuleDrift(undefined);
    if (options.counters) this.readConnections = () => this.#readConnections();
  }

  async probe(): Promise<void> {
    const { iptables, scheduler, readGeneration } = this.#options;
    await probeKernel({ family: this.family, iptables, scheduler });
    const { variant } = await iptables.version();
    this.#ruleDrift = this.#detectRuleDrift(variant === "nft" ? readGeneration : undefined);
  }

  async sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    if (this.#known === undefined) throw new BackendError("NEEDS_RESYNC", "a full pass has to come first");
    const { state, writer } = this.#known;
    const started = performance.now();
    // Until all is written, the memory is ahead of the kernel.
    this.#known = undefined;
    writer.resetWritten();
    for (const [key, ports] of changes) {
      // The memory has what the kernel refused.
      if (this.#refusals.has(key))
        throw new BackendError("NEEDS_RESYNC", `${key}, which was refused, changed: a full pass has to come`);
      state.set(key, ports);
    }
    const difference = differenceOf(state.takeChanges());
    const compiled = performance.now();
    try {
      writer.write(difference);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#known = { state, writer };
    return this.#result(writer, {
      full: false,
      phases: { compile: (compiled - started) / 1000, write: (performance.now() - compiled) / 1000 },
    });
  }

  async resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    const { iptables, counters, ipvsOptions } = this.#options;
    const options = await ipvsOptions();
    this.#known = undefined;
    this.#refusals.clear();
    try {
      const result = await fullPass({
        kernel: this.#open(),
        iptables,
        all,
        options,
        counts: counters,
        refusals: this.#refusals,
      });
      const { state, writer, phases, rulesWritten } = result;
      this.#known = { state, writer };
      this.#rules = constantRules(options);
      return this.#result(writer, { full: true, phases, rulesWritten });
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async tend(): Promise<number | undefined> {
    if (this.#known === undefined) return undefined;
    try {
      const left = await removeDrained(this.#open().ipvs, this.#known.writer.draining);
      return left === 0 ? undefined : DRAIN_CHECK_MS;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async checkDrift(): Promise<string | undefined> {
    const drift = await this.#ruleDrift.check();
    if (drift !== undefined || this.#known === undefined) return drift;
    try {
      return await findDrift(this.#open(), this.#known.state, this.#refusals);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async cleanup(): Promise<void> {
    this.#known = undefined;
    try {
      await removeIpvsMode(this.family);
    } catch (error) {
      throw kernelError(error);
    }
  }

  async describe(): Promise<Readonly<Record<string, string | number>>> {
    const { version, variant } = await this.#options.iptables.version();
    const ipvs = this.#open().ipvs.info().version;
    return { kernel: release(), ipvs, scheduler: this.#options.scheduler, iptables: version, variant };
  }

  /** The rules are few, and those of the firewall would be missed as much as any: so all are compared. */
  #detectRuleDrift(readGeneration: (() => number) | undefined): DriftDetector {
    const look = async (): Promise<string | undefined> =>
      this.#rules && constantDrift(await readKernel(this.#options.iptables), this.#rules);
    return new DriftDetector(look, readGeneration);
  }

  async #readConnections(): Promise<readonly PortConnections[]> {
    return this.#known === undefined ? [] : readCounters(this.#open(), this.family, this.#known.state);
  }

  #open(): IpvsKernel {
    this.#kernel ??= openKernel();
    return this.#kernel;
  }

  /** A socket may be of no use after a failure, and a module that was loaded anew has another number. */
  #failed(error: unknown): unknown {
    if (this.#kernel !== undefined) closeKernel(this.#kernel);
    this.#kernel = undefined;
    this.#known = undefined;
    return kernelError(error);
  }

  #result(
    { owned, written }: Writer,
    sync: Pick<SyncResult, "full" | "phases"> & { readonly rulesWritten?: Readonly<Record<string, number>> },
  ): SyncResult {
    const { full, phases, rulesWritten } = sync;
    return {
      full,
      phases,
      refused: this.#refusals.list(),
      owned: { ...owned },
      written: { ...rulesWritten, ...written },
    };
  }
}

/** What the kernel or a program refused as an error of the family; a defect of our own stays what it is. */
function kernelError(error: unknown): unknown {
  if (error instanceof IpTablesError)
    return new BackendError("RESTORE_FAILED", error.message, { cause: error });
  if (error instanceof IpvsError || error instanceof NetlinkError)
    return new BackendError("KERNEL_REFUSED", error.message, { cause: error });
  return error;
}
