/** The iptables programs of one family, run as child processes. */
import type { IpTablesClient, Outcome, RestoreOptions, SaveOutcome } from "./client.ts";
import { IpTablesError, isNotFound } from "./errors.ts";
import { Mutex } from "./mutex.ts";
import { chainName } from "./names.ts";
import { ruleArguments } from "./render-rule.ts";
import { type Input, type RunResult, run } from "./run.ts";
import { commandFailure, restoreFailure } from "./run-failure.ts";
import type { Family, RuleInput, Table, Variant } from "./types.ts";
import { parseVersion, type Version } from "./version.ts";

export interface IpTablesOptions {
  readonly family: Family;
  /** Which programs to run; `default` (the default) is whatever the host's plain names stand for. */
  readonly variant?: Variant | "default";
  /** Seconds to wait for the xtables lock; default 5. The nft variant knows no lock. */
  readonly waitSeconds?: number;
  /** Longest run of one program in milliseconds; default 300,000, as a big nft restore takes minutes. */
  readonly timeoutMs?: number;
  /** Kills what runs and refuses what comes. */
  readonly signal?: AbortSignal;
  /** Put before every command, e.g. `["ip", "netns", "exec", "NAME"]`. */
  readonly exec?: readonly string[];
}

const HARMLESS = /^Ignoring deprecated --wait-interval option\.\n?/gm;

/** Writers by command prefix and family: instances that reach the same rules share one. */
const writers = new Map<string, Mutex>();

function writerFor(key: string): Mutex {
  const mutex = writers.get(key) ?? new Mutex();
  writers.set(key, mutex);
  return mutex;
}

/** Runs the host's iptables programs. Writing calls of one family in one process never overlap. */
export class IpTables implements IpTablesClient {
  readonly family: Family;
  readonly #variant: Variant | "default";
  readonly #waitSeconds: number;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #exec: readonly string[];
  readonly #writer: Mutex;
  #version: Promise<Version> | undefined;

  constructor(options: IpTablesOptions) {
    this.family = options.family;
    this.#variant = options.variant ?? "default";
    this.#waitSeconds = options.waitSeconds ?? 5;
    this.#timeoutMs = options.timeoutMs ?? 300_000;
    this.#signal = options.signal;
    this.#exec = options.exec ?? [];
    this.#writer = writerFor(JSON.stringify([this.#exec, this.family]));
  }

  version(): Promise<Version> {
    this.#version ??= this.#readVersion().catch((error: unknown) => {
      this.#version = undefined;
      throw error;
    });
    return this.#version;
  }

  async detectVariant(hintChains: readonly string[]): Promise<Variant> {
    const hint = (text: string): boolean => hintChains.some((chain) => text.includes(`\n:${chain} `));
    const nft = await this.#peek("nft", ["-t", "mangle"]);
    if (nft?.some(hint)) return "nft";
    // Without a table: naming one would create it.
    const legacy = await this.#peek("legacy", []);
    if (legacy?.some(hint)) return "legacy";
    if (nft !== undefined) return "nft";
    return legacy === undefined ? (await this.version()).variant : "legacy";
  }

  async save(table?: Table, options: { readonly counters?: boolean } = {}): Promise<SaveOutcome> {
    await this.version();
    const args = [
      ...(table === undefined ? [] : ["-t", table]),
      ...(options.counters === true ? ["-c"] : []),
    ];
    const result = await this.#run([this.#program("-save"), ...args]);
    if (result.exitCode !== 0) throw commandFailure(result);
    return { text: result.stdout, ...outcome(result) };
  }

  async restore(document: Input, options: RestoreOptions = {}): Promise<Outcome> {
    await this.version();
    const argv = [this.#program("-restore"), "-w", `${options.wait ?? this.#waitSeconds}`];
    if (options.noflush !== false) argv.push("--noflush");
    if (options.counters === true) argv.push("--counters");
    if (options.test === true) argv.push("--test");
    if (options.table !== undefined) argv.push("-T", options.table);
    return this.#writer.run(async () => {
      const sent: string[] = [];
      const result = await this.#run(argv, remember(document, sent));
      if (result.exitCode !== 0) throw restoreFailure(result, sent.join(""));
      return outcome(result);
    });
  }

  async listChain(table: Table, chain: string): Promise<string[]> {
    const result = await this.#command(table, ["-S", chainName(chain)]);
    if (result.exitCode !== 0) throw commandFailure(result);
    // A rule goes on over line ends inside its comment; every other line starts with its command.
    return result.stdout.split(/\n(?=-[A-Z] |$)/).filter((line) => line.startsWith("-A "));
  }

  async chainExists(table: Table, chain: string): Promise<boolean> {
    // The rule number keeps a long chain from being printed.
    return this.#succeeds(table, ["-S", chainName(chain), "1"]);
  }

  ensureChain(table: Table, chain: string): Promise<boolean> {
    return this.#writer.run(async () => {
      const result = await this.#command(table, ["-N", chainName(chain)]);
      if (result.exitCode === 0) return true;
      if (/Chain already exists|File exists/.test(result.stderr)) return false;
      throw commandFailure(result);
    });
  }

  ensureRule(table: Table, chain: string, position: "prepend" | "append", rule: RuleInput): Promise<boolean> {
    const args = [chainName(chain), ...ruleArguments(rule)];
    return this.#writer.run(async () => {
      const check = await this.#command(table, ["-C", ...args]);
      if (check.exitCode === 0) return false;
      // 1 is "no such rule"; a missing jump target is 2.
      if (check.exitCode !== 1) throw commandFailure(check);
      const added = await this.#command(table, [position === "prepend" ? "-I" : "-A", ...args]);
      if (added.exitCode !== 0) throw commandFailure(added);
      return true;
    });
  }

  deleteRule(table: Table, chain: string, rule: RuleInput): Promise<boolean> {
    const args = ["-D", chainName(chain), ...ruleArguments(rule)];
    return this.#writer.run(() => this.#succeeds(table, args));
  }

  deleteChain(table: Table, chain: string): Promise<boolean> {
    return this.#writer.run(() => this.#succeeds(table, ["-X", chainName(chain)]));
  }

  flushChain(table: Table, chain: string): Promise<boolean> {
    return this.#writer.run(() => this.#succeeds(table, ["-F", chainName(chain)]));
  }

  async #readVersion(): Promise<Version> {
    const result = await this.#run([this.#program(""), "--version"]);
    if (result.exitCode !== 0) throw commandFailure(result);
    return parseVersion(result.stdout);
  }

  /** False where the program answers that something is not there. */
  async #succeeds(table: Table, args: readonly string[]): Promise<boolean> {
    const result = await this.#command(table, args);
    if (result.exitCode === 0) return true;
    const error = commandFailure(result);
    if (isNotFound(error)) return false;
    throw error;
  }

  async #command(table: Table, args: readonly string[]): Promise<RunResult> {
    await this.version();
    return this.#run([this.#program(""), "-w", `${this.#waitSeconds}`, "-t", table, ...args]);
  }

  #program(suffix: "" | "-save" | "-restore"): string {
    const variant = this.#variant === "default" ? "" : `-${this.#variant}`;
    return `${this.family === "IPv4" ? "iptables" : "ip6tables"}${variant}${suffix}`;
  }

  #run(argv: readonly string[], input?: Input): Promise<RunResult> {
    return run({
      argv: [...this.#exec, ...argv],
      timeoutMs: this.#timeoutMs,
      signal: this.#signal,
      ...(input === undefined ? {} : { input }),
    });
  }

  /** What a variant's save programs of both families print; undefined when neither is installed. */
  async #peek(variant: Variant, args: readonly string[]): Promise<string[] | undefined> {
    const texts: string[] = [];
    for (const program of [`iptables-${variant}-save`, `ip6tables-${variant}-save`]) {
      const stdout = await this.#printed([program, ...args]);
      if (stdout !== undefined) texts.push(`\n${stdout}`);
    }
    return texts.length === 0 ? undefined : texts;
  }

  /** What a program prints, even if it fails; undefined when it is not installed. */
  async #printed(argv: readonly string[]): Promise<string | undefined> {
    try {
      const result = await this.#run(argv);
      const missing = result.exitCode !== 0 && commandFailure(result).code === "IPTABLES_BINARY_MISSING";
      return missing ? undefined : result.stdout;
    } catch (error) {
      if (error instanceof IpTablesError && error.code === "IPTABLES_BINARY_MISSING") return undefined;
      throw error;
    }
  }
}

function outcome(result: RunResult): Outcome {
  return { durationMs: result.durationMs, stderr: result.stderr.replace(HARMLESS, "").trim() };
}

/** Passes the document on and keeps it, for the lines around a refused one. */
async function* remember(document: Input, sent: string[]): AsyncGenerator<string> {
  for await (const chunk of typeof document === "string" ? [document] : document) {
    sent.push(chunk);
    yield chunk;
  }
}
