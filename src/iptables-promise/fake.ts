/** A rule set in memory that behaves like the kernel's behind the programs: for tests of code that uses this library. */
import type { IpTablesClient, Outcome, RestoreOptions, SaveOutcome } from "./client.ts";
import { codeOfStderr, IpTablesError } from "./errors.ts";
import { fakeRestore, RefusedLine } from "./fake-restore.ts";
import { FakeTable, Refusal } from "./fake-tables.ts";
import { chainName } from "./names.ts";
import { ruleArguments } from "./render-rule.ts";
import { describeFailures, restoreFailures } from "./restore-failures.ts";
import type { Input } from "./run.ts";
import type { Family, RuleInput, Table, Variant } from "./types.ts";
import type { Version } from "./version.ts";

export interface FakeOptions {
  readonly family: Family;
  /** What `version` answers; default nft. The behaviour is the same. */
  readonly variant?: Variant;
  /** The starting state, as iptables-save prints it. */
  readonly rules?: string;
}

const DONE: Outcome = { durationMs: 0, stderr: "" };

/**
 * Fulfils the same contract as `IpTables`; one suite of tests runs on both. Transactions work on a copy that is
 * swapped in when every line of the table was accepted. It does not know which matches and targets a real kernel
 * would refuse, nor counters, nor loops of chains.
 */
export class FakeIpTables implements IpTablesClient {
  readonly family: Family;
  readonly #variant: Variant;
  readonly #tables = new Map<Table, FakeTable>();

  constructor(options: FakeOptions) {
    this.family = options.family;
    this.#variant = options.variant ?? "nft";
    if (options.rules !== undefined) this.#apply(options.rules, { noflush: false });
  }

  async version(): Promise<Version> {
    return { version: "1.8.9", variant: this.#variant };
  }

  async detectVariant(): Promise<Variant> {
    return this.#variant;
  }

  async save(table?: Table): Promise<SaveOutcome> {
    return { text: this.dump(table), ...DONE };
  }

  /** The rules of one table, or of all tables in use, as iptables-save prints them. */
  dump(table?: Table): string {
    if (table !== undefined) this.#table(table);
    const lines: string[] = [];
    for (const [name, state] of this.#tables) {
      if (table !== undefined && name !== table) continue;
      const chains = state.chains();
      lines.push(`*${name}`);
      for (const [chain, { policy }] of chains) lines.push(`:${chain} ${policy ?? "-"} [0:0]`);
      for (const [chain, { rules }] of chains)
        lines.push(...rules.map((rule) => `-A ${chain} ${rule}`.trimEnd()));
      lines.push("COMMIT");
    }
    return lines.map((line) => `${line}\n`).join("");
  }

  async restore(document: Input, options: RestoreOptions = {}): Promise<Outcome> {
    let text = "";
    for await (const chunk of typeof document === "string" ? [document] : document) text += chunk;
    this.#apply(text, options);
    return DONE;
  }

  async listChain(table: Table, chain: string): Promise<string[]> {
    return this.#attempt(() =>
      this.#table(table)
        .chain(chainName(chain))
        .rules.map((rule) => `-A ${chain} ${rule}`.trimEnd()),
    );
  }

  async chainExists(table: Table, chain: string): Promise<boolean> {
    return this.#table(table).find(chainName(chain)) !== undefined;
  }

  async ensureChain(table: Table, chain: string): Promise<boolean> {
    if (this.#table(table).find(chainName(chain)) !== undefined) return false;
    this.#attempt(() => this.#table(table).create(chain));
    return true;
  }

  async ensureRule(
    table: Table,
    chain: string,
    position: "prepend" | "append",
    rule: RuleInput,
  ): Promise<boolean> {
    return this.#attempt(() => {
      const state = this.#table(table);
      const spec = state.spec(ruleArguments(rule));
      if (state.find(chainName(chain))?.rules.includes(spec) === true) return false;
      state.insert(chain, spec, position === "prepend" ? 1 : undefined);
      return true;
    });
  }

  async deleteRule(table: Table, chain: string, rule: RuleInput): Promise<boolean> {
    return this.#succeeds(() =>
      this.#table(table).remove(chainName(chain), this.#table(table).spec(ruleArguments(rule))),
    );
  }

  async deleteChain(table: Table, chain: string): Promise<boolean> {
    return this.#succeeds(() => this.#table(table).drop(chainName(chain)));
  }

  async flushChain(table: Table, chain: string): Promise<boolean> {
    return this.#succeeds(() => this.#table(table).flush(chainName(chain)));
  }

  #table(table: Table): FakeTable {
    const state = this.#tables.get(table) ?? new FakeTable(this.family, table);
    this.#tables.set(table, state);
    return state;
  }

  #apply(document: string, options: RestoreOptions): void {
    try {
      fakeRestore(document, options, {
        begin: (table, empty) => (empty ? new FakeTable(this.family, table) : this.#table(table).copy(table)),
        commit: (table, state) => this.#tables.set(table, state),
      });
    } catch (error) {
      if (!(error instanceof RefusedLine)) throw error;
      const stderr = `line ${error.line}: ${error.message}`;
      const failures = restoreFailures(stderr, document);
      throw new IpTablesError(
        "IPTABLES_RESTORE_FAILED",
        `fake iptables-restore: ${describeFailures(failures)}`,
        {
          exitCode: 1,
          stderr,
          failures,
        },
      );
    }
  }

  #attempt<T>(task: () => T): T {
    try {
      return task();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const code = codeOfStderr(error.message) ?? "IPTABLES_COMMAND_FAILED";
      throw new IpTablesError(code, `fake iptables: ${error.message}`, {
        exitCode: 1,
        stderr: error.message,
      });
    }
  }

  #succeeds(task: () => void): boolean {
    try {
      this.#attempt(task);
      return true;
    } catch (error) {
      if (error instanceof IpTablesError && error.code === "IPTABLES_NOT_FOUND") return false;
      throw error;
    }
  }
}
