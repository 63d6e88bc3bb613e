/** The fake's rule set: tables of chains of rules, with the kernel's rules about references and names. */
import { MAX_CHAIN_NAME } from "./names.ts";
import { normalizeSpec } from "./normalize.ts";
import type { Family, Table } from "./types.ts";

const BUILT_IN: Readonly<Record<Table, readonly string[]>> = {
  filter: ["INPUT", "FORWARD", "OUTPUT"],
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  raw: ["PREROUTING", "OUTPUT"],
  security: ["INPUT", "FORWARD", "OUTPUT"],
};

/** Targets that are no chains. */
const TARGETS: ReadonlySet<string> = new Set(
  (
    "ACCEPT DROP RETURN QUEUE REJECT DNAT SNAT MASQUERADE MARK CONNMARK REDIRECT TPROXY LOG NFLOG NFQUEUE CT NOTRACK " +
    "TCPMSS SET NETMAP TRACE CLASSIFY DSCP TOS TTL HL CHECKSUM AUDIT"
  ).split(" "),
);

/** What the programs say; the contract suite compares the meaning with the real ones. */
const SAYS = {
  noChain: "No chain/target/match by that name.",
  noRule: "Bad rule (does a matching rule exist in that chain?).",
  exists: "Chain already exists.",
  tooFar: "Index of insertion too big.",
} as const;

/** A refusal in the words of the real programs. */
export class Refusal extends Error {}

export interface FakeChain {
  /** Undefined for a user's chain. */
  policy: string | undefined;
  /** Canonical specs, as iptables-save prints them after the chain's name. */
  rules: string[];
}

export function isTable(name: string): name is Table {
  return Object.hasOwn(BUILT_IN, name);
}

/** One table; methods throw a Refusal where the kernel would refuse. */
export class FakeTable {
  readonly #family: Family;
  readonly #chains: Map<string, FakeChain>;

  constructor(family: Family, table: Table, chains?: Map<string, FakeChain>) {
    this.#family = family;
    this.#chains = chains ?? new Map(BUILT_IN[table].map((name) => [name, { policy: "ACCEPT", rules: [] }]));
  }

  /** An independent copy for a transaction. */
  copy(table: Table): FakeTable {
    const chains = new Map<string, FakeChain>();
    for (const [name, { policy, rules }] of this.#chains) chains.set(name, { policy, rules: [...rules] });
    return new FakeTable(this.#family, table, chains);
  }

  /** Built-in chains in their order, then the others sorted by bytes, as the programs print them. */
  chains(): [string, FakeChain][] {
    const all = [...this.#chains];
    const users = all.filter(([, chain]) => chain.policy === undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    return [...all.filter(([, chain]) => chain.policy !== undefined), ...users];
  }

  find(name: string): FakeChain | undefined {
    return this.#chains.get(name);
  }

  chain(name: string): FakeChain {
    const chain = this.#chains.get(name);
    if (chain === undefined) throw new Refusal(SAYS.noChain);
    return chain;
  }

  create(name: string): void {
    if (name.length > MAX_CHAIN_NAME) {
      throw new Refusal(`chain name \`${name}' too long (must be under ${MAX_CHAIN_NAME + 1} chars)`);
    }
    if (name === "ACCEPT" || name === "DROP" || name === "RETURN" || name === "QUEUE") {
      throw new Refusal("chain name may not clash with target name");
    }
    if (this.#chains.has(name)) throw new Refusal(SAYS.exists);
    this.#chains.set(name, { policy: undefined, rules: [] });
  }

  /** What a `:CHAIN POLICY` line does under --noflush: user chains come out empty, built-in ones keep their rules. */
  declare(name: string, policy: string): void {
    const chain = this.#chains.get(name);
    if (chain === undefined) this.create(name);
    else if (chain.policy === undefined) chain.rules = [];
    else if (policy === "ACCEPT" || policy === "DROP") chain.policy = policy;
    else if (policy !== "-") throw new Refusal("Bad policy name.");
  }

  /** The canonical spec of a rule's words; its jump target must exist. */
  spec(words: readonly string[]): string {
    const at = words.findIndex((word) => word === "-j" || word === "-g");
    const target = at === -1 ? undefined : words[at + 1];
    if (target !== undefined && !TARGETS.has(target) && !this.#chains.has(target)) {
      throw new Refusal(`Chain '${target}' does not exist`);
    }
    return normalizeSpec(words, this.#family);
  }

  /** Inserts before the 1-based position; without one, at the end. */
  insert(name: string, spec: string, position?: number): void {
    const { rules } = this.chain(name);
    const at = position ?? rules.length + 1;
    if (at < 1 || at > rules.length + 1) throw new Refusal(SAYS.tooFar);
    rules.splice(at - 1, 0, spec);
  }

  /** Deletes the first such rule, or the one at a 1-based position. */
  remove(name: string, rule: string | number): void {
    const rules = this.#chains.get(name)?.rules ?? [];
    const at = typeof rule === "number" ? rule - 1 : rules.indexOf(rule);
    if (rules[at] === undefined) throw new Refusal(SAYS.noRule);
    rules.splice(at, 1);
  }

  flush(name: string): void {
    this.chain(name).rules = [];
  }

  drop(name: string): void {
    const chain = this.chain(name);
    if (chain.policy !== undefined) throw new Refusal(SAYS.noChain);
    const jumps = (rule: string): boolean =>
      ` ${rule}`.endsWith(` -j ${name}`) || ` ${rule}`.endsWith(` -g ${name}`);
    const referenced = [...this.#chains.values()].some(({ rules }) => rules.some(jumps));
    if (referenced || chain.rules.length > 0) {
      throw new Refusal(`CHAIN_DEL failed (Device or resource busy): chain ${name}`);
    }
    this.#chains.delete(name);
  }
}
