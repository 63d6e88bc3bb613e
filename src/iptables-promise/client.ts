/** What can be done to the rules of one family: fulfilled by the real programs and by the fake. */
import type { Input } from "./run.ts";
import type { Family, RuleInput, Table, Variant } from "./types.ts";
import type { Version } from "./version.ts";

export interface Outcome {
  readonly durationMs: number;
  /** What the program said though it succeeded, without notices known to be harmless. */
  readonly stderr: string;
}

export interface SaveOutcome extends Outcome {
  /** For `parseSave`. */
  readonly text: string;
}

export interface RestoreOptions {
  /** Keep what the document does not mention; default true. With false, each table in the document is replaced. */
  readonly noflush?: boolean;
  /** Take counters from the document; default false. */
  readonly counters?: boolean;
  /** Seconds to wait for the lock, instead of the client's. */
  readonly wait?: number;
  /** Apply this table of the document only. */
  readonly table?: Table;
  /** Check the document and change nothing; default false. What only the kernel would refuse goes unnoticed. */
  readonly test?: boolean;
}

/**
 * Every method rejects with an IpTablesError. Besides the codes named at a method, any may reject with
 * BINARY_MISSING, UNSUPPORTED_VERSION, PERMISSION, LOCK_TIMEOUT, RESOURCE, TIMEOUT, ABORTED and COMMAND_FAILED.
 */
export interface IpTablesClient {
  readonly family: Family;
  /** Asked once, then remembered. */
  version(): Promise<Version>;
  /**
   * Finds out which variant the host's other programs use, by chains that they are known to make: nft if one is in
   * its mangle table, else legacy if one is in any legacy table, else nft if its program is there.
   */
  detectVariant(hintChains: readonly string[]): Promise<Variant>;
  /** The text of one table, or of all tables in use. With `counters`, rules carry theirs. */
  save(table?: Table, options?: { readonly counters?: boolean }): Promise<SaveOutcome>;
  /**
   * Applies a document. Each table commits by itself, in order.
   * RESTORE_FAILED names the refused lines; tables before the first of them have been applied.
   */
  restore(document: Input, options?: RestoreOptions): Promise<Outcome>;
  /** The chain's rules as `-A` lines. NOT_FOUND without the chain. */
  listChain(table: Table, chain: string): Promise<string[]>;
  /** A chain that the nft variant cannot print, because another tool put foreign rules into it, counts as absent. */
  chainExists(table: Table, chain: string): Promise<boolean>;
  /** True if the chain was created, false if it was there. */
  ensureChain(table: Table, chain: string): Promise<boolean>;
  /** True if the rule was added, false if it was there, in whatever place. NOT_FOUND without chain or jump target. */
  ensureRule(table: Table, chain: string, position: "prepend" | "append", rule: RuleInput): Promise<boolean>;
  /** Deletes the first such rule. False if there is none, or no such chain. */
  deleteRule(table: Table, chain: string, rule: RuleInput): Promise<boolean>;
  /** Deletes an empty chain nobody jumps to (else CHAIN_BUSY). False if there is none. */
  deleteChain(table: Table, chain: string): Promise<boolean>;
  /** Removes every rule of the chain. False if there is no such chain. */
  flushChain(table: Table, chain: string): Promise<boolean>;
}
