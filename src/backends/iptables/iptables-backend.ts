/** iptables mode for one family: compiles Services to upstream's chains and keeps the kernel's copy equal to them. */
import { type IpTablesClient, IpTablesError, isTransient } from "#iptables-promise";
import type { Logger } from "../../logging/logger.ts";
import type { IpFamily, ServiceKey, ServicePort } from "../../model/types.ts";
import {
  type Backend,
  BackendError,
  type RefusedService,
  type ServiceChange,
  type SyncResult,
} from "../backend.ts";
import { DriftDetector } from "../iptables-chains/drift.ts";
import { readKernel } from "../iptables-chains/read-kernel.ts";
import {
  emptyBlock,
  NOBODY,
  type OwnedLine,
  type RestoreRenderer,
} from "../iptables-chains/restore-block.ts";
import { RestoreRun } from "../iptables-chains/restore-run.ts";
import { missingAnchor } from "./anchors.ts";
import { type AppliedService, toApplied } from "./applied-state.ts";
import { removeEverything } from "./cleanup.ts";
import type { CompileOptions } from "./compile-options.ts";
import { type CompiledService, compileService } from "./compile-service.ts";
import type { DispatchField } from "./dispatch.ts";
import { isNothing, linesOf, planFullPass } from "./full-pass.ts";
import { type Attempt, applyWithout, type Outcome, type Refusals, type Try } from "./isolate.ts";
import type { Table } from "./jumps.ts";
import { NFT_CHAINS_PER_COMMIT, planBlocks } from "./restore-plan.ts";
import { deltaFromApplied, type ServiceDelta } from "./service-delta.ts";
import { countConstant, editShared } from "./shared-rules.ts";

/** Above this many listed endpoints the rules of endpoints carry no comments, as upstream's do not. */
const LARGE_CLUSTER_ENDPOINTS = 1000;

const TABLES: readonly Table[] = ["filter", "nat"];

/** A document that no working program refuses. */
const NOTHING = "*nat\nCOMMIT\n";

export interface IptablesBackendOptions {
  readonly family: IpFamily;
  readonly iptables: IpTablesClient;
  /** Asked at every full pass: addresses, pod CIDR and kernel features may have changed. */
  readonly compileOptions: () => Promise<CompileOptions>;
  /** Number of the last change of nf_tables; asked only on iptables-nft. */
  readonly readGeneration: () => number;
  readonly logger: Logger;
  /** Chains in one commit. Default: what is best for the variant that `probe` finds. */
  readonly chainsPerCommit?: number;
}

export class IptablesBackend implements Backend {
  readonly mode = "iptables";
  readonly family: IpFamily;
  readonly #iptables: IpTablesClient;
  readonly #makeOptions: () => Promise<CompileOptions>;
  readonly #readGeneration: () => number;
  readonly #logger: Logger;
  #options: CompileOptions | undefined;
  readonly #fixedChainsPerCommit: number | undefined;
  #chainsPerCommit: number;
  #applied = new Map<ServiceKey, AppliedService>();
  #listedEndpoints = 0;
  #rules = { filter: 0, nat: 0 };
  #refused: Refusals = new Map();
  #drift: DriftDetector;
  /** Services that could not be compiled. */
  readonly #unsafe = new Map<ServiceKey, string>();
  /** Services changed since the last success: where to look when a failure names nobody. */
  readonly #suspects = new Set<ServiceKey>();

  constructor(options: IptablesBackendOptions) {
    this.family = options.family;
    this.#iptables = options.iptables;
    this.#makeOptions = options.compileOptions;
    this.#readGeneration = options.readGeneration;
    this.#logger = options.logger;
    this.#fixedChainsPerCommit = options.chainsPerCommit;
    this.#chainsPerCommit = options.chainsPerCommit ?? NFT_CHAINS_PER_COMMIT;
    this.#drift = this.#detectDrift(undefined);
  }

  async probe(): Promise<void> {
    try {
      const { variant } = await this.#iptables.version();
      const isNft = variant === "nft";
      this.#chainsPerCommit =
        this.#fixedChainsPerCommit ?? (isNft ? NFT_CHAINS_PER_COMMIT : Number.POSITIVE_INFINITY);
      this.#drift = this.#detectDrift(isNft ? this.#readGeneration : undefined);
      await this.#iptables.save("nat");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new BackendError("IPTABLES_UNAVAILABLE", `iptables does not work for ${this.family}: ${why}`, {
        cause: error,
      });
    }
  }

  async sync(changes: Iterable<ServiceChange>): Promise<SyncResult> {
    const options = this.#options;
    if (options === undefined) throw new BackendError("NEEDS_RESYNC", "a full pass has to come first");
    const started = performance.now();
    const next = new Map<ServiceKey, AppliedService | undefined>();
    const deltas: ServiceDelta[] = [];
    const compileOptions = this.#withComments(options, this.#listedEndpoints);
    for (const [key, ports] of changes) {
      const compiled = this.#compile(key, ports, compileOptions);
      const delta = deltaFromApplied(key, this.#applied.get(key), compiled);
      if (delta !== undefined) deltas.push(delta);
      const listed = ports.reduce((sum, port) => sum + port.listedEndpoints, 0);
      next.set(key, isNothing(compiled) ? undefined : toApplied(compiled, listed));
      this.#suspects.add(key);
    }
    const run = new RestoreRun();
    run.planningMs = performance.now() - started;
    if (deltas.length > 0) await this.#restoreChanges(deltas, next, compileOptions, run);
    for (const [key, service] of next) this.#remember(key, service);
    this.#forgetRefusalsOf(next.keys());
    this.#suspects.clear();
    return this.#result(false, run, compileOptions, {});
  }

  async resync(all: Iterable<ServiceChange>): Promise<SyncResult> {
    let listed = 0;
    for (const [, ports] of all) for (const port of ports) listed += port.listedEndpoints;
    const options = this.#withComments(await this.#makeOptions(), listed);
    this.#unsafe.clear();
    let run = new RestoreRun();
    let readingMs = 0;
    const attempt = async (excluded: ReadonlySet<ServiceKey>): Promise<Attempt> => {
      run = new RestoreRun();
      const started = performance.now();
      const kernel = await readKernel(this.#iptables);
      readingMs += performance.now() - started;
      const { plan, next } = planFullPass({
        kernel,
        services: all,
        options,
        excluded,
        compile: (key, ports) => this.#compile(key, ports, options),
        chainsPerCommit: this.#chainsPerCommit,
      });
      try {
        const ran = await run.apply(this.#iptables, planBlocks(plan));
        if (!ran && excluded.size > 0) await this.#expectToWork();
      } catch (error) {
        return this.#judge(error, run.renderer);
      }
      this.#replaceApplied(next);
      return { ok: true };
    };
    const outcome = await this.#applyToMost(attempt, all);
    if ("failure" in outcome) throw new BackendError("RESTORE_FAILED", outcome.failure);
    this.#refused = outcome.refusals;
    this.#options = options;
    this.#suspects.clear();
    return this.#result(true, run, options, { read: readingMs / 1000 });
  }

  async checkDrift(): Promise<string | undefined> {
    return this.#drift.check();
  }

  #detectDrift(readGeneration: (() => number) | undefined): DriftDetector {
    return new DriftDetector(() => missingAnchor(this.#iptables), readGeneration);
  }

  async cleanup(): Promise<void> {
    await removeEverything(this.#iptables, this.#chainsPerCommit);
  }

  async describe(): Promise<Readonly<Record<string, string | number>>> {
    const { version, variant } = await this.#iptables.version();
    return { iptables: version, variant };
  }

  async #restoreChanges(
    deltas: readonly ServiceDelta[],
    next: ReadonlyMap<ServiceKey, AppliedService | undefined>,
    options: CompileOptions,
    run: RestoreRun,
  ): Promise<void> {
    const linesAfter = (field: DispatchField): Iterable<OwnedLine> =>
      linesOf(after(this.#applied, next), field);
    const blocks = planBlocks({
      head: emptyBlock("nat"),
      deltas,
      finish: () => ({
        filter: editShared("filter", deltas, linesAfter, options),
        nat: editShared("nat", deltas, linesAfter, options),
        mangle: emptyBlock("mangle"),
        stale: [],
      }),
      chainsPerCommit: this.#chainsPerCommit,
    });
    try {
      await run.apply(this.#iptables, blocks);
    } catch (error) {
      throw restoreError(error);
    }
  }

  /** Looks for refused Services first where they are likely, which is quick, then among all. */
  async #applyToMost(attempt: Try, services: Iterable<ServiceChange>): Promise<Outcome> {
    const suspects = new Set([...this.#suspects, ...this.#refused.keys()]);
    if (suspects.size > 0) {
      const outcome = await applyWithout(attempt, [...suspects]);
      if ("refusals" in outcome) return outcome;
    }
    return applyWithout(
      attempt,
      Array.from(services, ([key]) => key),
    );
  }

  /** A Service whose text must not enter a rule is refused alone; the store lets no such text through. */
  #compile(key: ServiceKey, ports: readonly ServicePort[], options: CompileOptions): CompiledService {
    this.#unsafe.delete(key);
    try {
      return compileService(ports, options);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#unsafe.set(key, error.message);
      return compileService([], options);
    }
  }

  /** Tells a refused Service from a failure that concerns everybody. */
  #judge(error: unknown, renderer: RestoreRenderer): Attempt {
    if (!(error instanceof IpTablesError) || isTransient(error) || error.code !== "IPTABLES_RESTORE_FAILED")
      throw restoreError(error);
    const culprits = new Set(error.failures.map(({ line }) => renderer.ownerOf(line)));
    culprits.delete(NOBODY);
    this.#logger.warn({ err: error, family: this.family }, "iptables-restore refused part of the rules");
    return { ok: false, reason: error.message, culprits: [...culprits] };
  }

  /**
   * Nothing was left to write without the Services under suspicion, so nothing has shown yet that it is them: a program
   * that always fails must not be taken for one that refuses a Service.
   */
  async #expectToWork(): Promise<void> {
    try {
      await this.#iptables.restore(NOTHING, { noflush: true });
    } catch (error) {
      throw restoreError(error);
    }
  }

  #withComments(options: CompileOptions, listedEndpoints: number): CompileOptions {
    const comments = listedEndpoints <= LARGE_CLUSTER_ENDPOINTS;
    return options.comments === comments ? options : { ...options, comments };
  }

  #remember(key: ServiceKey, service: AppliedService | undefined): void {
    const old = this.#applied.get(key);
    this.#listedEndpoints += (service?.listedEndpoints ?? 0) - (old?.listedEndpoints ?? 0);
    for (const table of TABLES) this.#rules[table] += (service?.rules[table] ?? 0) - (old?.rules[table] ?? 0);
    if (service === undefined) this.#applied.delete(key);
    else this.#applied.set(key, service);
  }

  #replaceApplied(next: Map<ServiceKey, AppliedService>): void {
    this.#applied = new Map();
    this.#listedEndpoints = 0;
    this.#rules = { filter: 0, nat: 0 };
    for (const [key, service] of next) this.#remember(key, service);
  }

  #forgetRefusalsOf(keys: Iterable<ServiceKey>): void {
    const left = new Map(this.#refused);
    for (const key of keys) left.delete(key);
    this.#refused = left;
  }

  #result(
    full: boolean,
    { renderer, planningMs, restoringMs }: RestoreRun,
    options: CompileOptions,
    phases: Readonly<Record<string, number>>,
  ): SyncResult {
    const refused: RefusedService[] = [...this.#refused, ...this.#unsafe].map(([key, reason]) => ({
      key,
      reason,
    }));
    return {
      full,
      refused,
      phases: { ...phases, compile: planningMs / 1000, restore: restoringMs / 1000 },
      owned: {
        filter: this.#rules.filter + countConstant("filter", options),
        nat: this.#rules.nat + countConstant("nat", options),
      },
      written: { filter: renderer.written.filter, nat: renderer.written.nat },
    };
  }
}

/** An error of the program as one of the family; a defect of our own stays what it is. */
function restoreError(error: unknown): unknown {
  return error instanceof IpTablesError
    ? new BackendError("RESTORE_FAILED", error.message, { cause: error })
    : error;
}

/** Everything applied, with the changes in `next` taken in. */
function* after(
  applied: ReadonlyMap<ServiceKey, AppliedService>,
  next: ReadonlyMap<ServiceKey, AppliedService | undefined>,
): Generator<readonly [ServiceKey, AppliedService]> {
  for (const entry of applied) if (!next.has(entry[0])) yield entry;
  for (const [key, service] of next) if (service !== undefined) yield [key, service];
}
