/**
 * Walks a packet that begins a flow through a restore document, as the kernel would, and tells what becomes of it.
 * Chance is not rolled but followed both ways, so one trace gives every possible endpoint with its share. Understands
 * the rules the proxy writes and throws on any other.
 */

import { JUMP_RULES } from "../../src/backends/iptables/jumps.ts";
import { jumpArguments } from "../../src/backends/iptables-chains/jump-rule.ts";
import { contains } from "../../src/model/address.ts";
import { type ParsedRule, parseRule, splitWords } from "./iptables-rule-parser.ts";

/** The first packet of a flow. */
export interface Packet {
  readonly src: string;
  readonly dst: string;
  /** Lower case. */
  readonly protocol: string;
  readonly dport: number;
  /** Absent when a process of this node sends it. */
  readonly inInterface?: string;
}

/** The node the packet meets. */
export interface Host {
  /** Addresses of its interfaces, loopback not included. */
  readonly addresses: readonly string[];
  /** Sysctl route_localnet: without it packets for 127.0.0.0/8 from outside are dropped as martians. */
  readonly routeLocalnet: boolean;
  /** Names of `recent` lists in which the packet's source has a live entry. */
  readonly remembered?: readonly string[];
}

/** One endpoint a packet may be sent to. */
export interface Delivery {
  /** Probability, 0–1. */
  readonly share: number;
  readonly masquerade: boolean;
  /** One of our rules accepts it in filter, whatever the host's own policy is. */
  readonly accepted: boolean;
  /** `recent` lists the packet's source was entered into. */
  readonly remembered: readonly string[];
}

export type Trace =
  | { readonly kind: "delivered"; readonly endpoints: ReadonlyMap<string, Delivery> }
  | { readonly kind: "rejected" | "dropped" | "accepted" | "untouched" };

interface State extends Packet {
  readonly mark: number;
  readonly share: number;
  readonly dnat: string | undefined;
  readonly remembered: readonly string[];
}

type Verdict = "ACCEPT" | "DROP" | "REJECT" | "DNAT" | "MASQUERADE" | "RETURN";
interface Outcome {
  readonly state: State;
  readonly verdict: Verdict;
}

type Tables = ReadonlyMap<string, Map<string, ParsedRule[]>>;

/** Makes a tracer of a document; the jumps from built-in chains are added as the backend installs them. */
export function createTracer(document: string, host: Host): (packet: Packet) => Trace {
  const tables = parseDocument(document);
  for (const jump of JUMP_RULES) {
    const chains = tables.get(jump.table)!;
    const words = ["-A", jump.from, ...jumpArguments(jump)];
    if (!chains.has(jump.to)) chains.set(jump.to, []);
    chains.set(jump.from, [parseRule(words), ...(chains.get(jump.from) ?? [])]);
  }
  const walker = new Walker(tables, host);
  return (packet) => summarise(walker.follow(packet));
}

function parseDocument(document: string): Tables {
  const tables = new Map<string, Map<string, ParsedRule[]>>();
  let chains = new Map<string, ParsedRule[]>();
  for (const line of document.split("\n")) {
    if (line.startsWith("*")) {
      chains = new Map();
      tables.set(line.slice(1), chains);
    } else if (line.startsWith(":")) {
      chains.set(line.slice(1).split(" ", 1)[0]!, []);
    } else if (line.startsWith("-A ")) {
      const words = splitWords(line);
      const chain = chains.get(words[1]!);
      if (chain === undefined) throw new Error(`rule of an undeclared chain: ${line}`);
      chain.push(parseRule(words));
    } else if (line !== "" && line !== "COMMIT") {
      throw new Error(`unknown line: ${line}`);
    }
  }
  return tables;
}

class Walker {
  readonly #tables: Tables;
  readonly #host: Host;

  constructor(tables: Tables, host: Host) {
    this.#tables = tables;
    this.#host = host;
  }

  /** Every way the packet may go: nat at its entry, the filter hooks of its route, nat at its exit. */
  follow(packet: Packet): Outcome[] {
    const fromOutside = packet.inInterface !== undefined;
    const start: State = { ...packet, mark: 0, share: 1, dnat: undefined, remembered: [] };
    return this.#run("nat", fromOutside ? "PREROUTING" : "OUTPUT", start)
      .flatMap(({ state }) => this.#route(state, fromOutside))
      .flatMap((outcome) => this.#leave(outcome, fromOutside));
  }

  #route(state: State, fromOutside: boolean): Outcome[] {
    if (fromOutside && isLoopback(state.dst) && !this.#host.routeLocalnet)
      return [{ state, verdict: "DROP" }];
    let outcomes: Outcome[] = [{ state, verdict: "RETURN" }];
    for (const hook of this.#filterHooks(fromOutside, state.dst)) {
      outcomes = outcomes.flatMap((outcome) => this.#filter(hook, outcome));
    }
    return outcomes;
  }

  #filterHooks(fromOutside: boolean, dst: string): string[] {
    if (fromOutside) return [this.#isLocal(dst) ? "INPUT" : "FORWARD"];
    return this.#isLocal(dst) ? ["OUTPUT", "INPUT"] : ["OUTPUT"];
  }

  #filter(hook: string, before: Outcome): Outcome[] {
    if (before.verdict === "DROP" || before.verdict === "REJECT") return [before];
    const inInterface =
      hook === "INPUT" && before.state.inInterface === undefined ? { inInterface: "lo" } : {};
    return this.#run("filter", hook, { ...before.state, ...inInterface });
  }

  #leave(outcome: Outcome, fromOutside: boolean): Outcome[] {
    const { state, verdict } = outcome;
    if (verdict === "DROP" || verdict === "REJECT" || (fromOutside && this.#isLocal(state.dst)))
      return [outcome];
    return this.#run("nat", "POSTROUTING", state).map((exit) =>
      exit.verdict === "MASQUERADE"
        ? { state: { ...exit.state, src: "masqueraded" }, verdict }
        : { state: exit.state, verdict },
    );
  }

  #run(table: string, chain: string, state: State): Outcome[] {
    const rules = this.#tables.get(table)?.get(chain);
    if (rules === undefined) throw new Error(`jump to missing chain ${table} ${chain}`);
    return this.#runRules(table, rules, state);
  }

  #runRules(table: string, rules: readonly ParsedRule[], state: State): Outcome[] {
    for (const [index, rule] of rules.entries()) {
      const chance = this.#chance(rule, state);
      if (chance === 0) continue;
      const rest = rules.slice(index + 1);
      const taken = this.#take(table, rule, { ...state, share: state.share * chance });
      const outcomes = taken.flatMap((outcome) =>
        outcome.verdict === "RETURN" && rule.target !== "RETURN"
          ? this.#runRules(table, rest, outcome.state)
          : [outcome],
      );
      if (chance === 1) return outcomes;
      return [...outcomes, ...this.#runRules(table, rest, { ...state, share: state.share * (1 - chance) })];
    }
    return [{ state, verdict: "RETURN" }];
  }

  /** What a matching rule does; RETURN here means that the walk goes on after it. */
  #take(table: string, rule: ParsedRule, before: State): Outcome[] {
    const state =
      rule.recentSet === undefined
        ? before
        : { ...before, remembered: [...before.remembered, rule.recentSet] };
    switch (rule.target) {
      case undefined:
        return [{ state, verdict: "RETURN" }];
      case "MARK":
        return [
          { state: { ...state, mark: ((state.mark | rule.orMark) ^ rule.xorMark) >>> 0 }, verdict: "RETURN" },
        ];
      case "DNAT": {
        const [, ip = "", port] = /^\[?([^\]]+)\]?:(\d+)$/.exec(rule.toDestination ?? "") ?? [];
        const changed = { dst: ip, dport: Number(port), dnat: rule.toDestination };
        return [{ state: { ...state, ...changed }, verdict: "DNAT" }];
      }
      case "ACCEPT":
      case "DROP":
      case "REJECT":
      case "MASQUERADE":
      case "RETURN":
        return [{ state, verdict: rule.target }];
      default:
        return this.#run(table, rule.target, state);
    }
  }

  /** The probability that a rule matches: 0, 1, or that of its `statistic` match. */
  #chance(rule: ParsedRule, state: State): number {
    const states = state.dnat === undefined ? ["NEW"] : ["NEW", "DNAT"];
    const facts: Record<string, (value: string) => boolean> = {
      "-p": (value) => value === state.protocol,
      "-s": (value) => covers(value, state.src),
      "-d": (value) => covers(value, state.dst),
      "-i": (value) => matchesInterface(value, state.inInterface ?? ""),
      "--dport": (value) => Number(value) === state.dport,
      "--mark": (value) => {
        const [mark, mask] = value.split("/").map(Number);
        return (state.mark & mask!) >>> 0 === mark;
      },
      "--src-type": () => this.#isLocal(state.src),
      "--dst-type": () => this.#isLocal(state.dst),
      "--ctstate": (value) => value.split(",").some((name) => states.includes(name)),
      "--rcheck": (value) => (this.#host.remembered ?? []).includes(value),
    };
    for (const { option, value, negated } of rule.matches) {
      if (facts[option]!(value) === negated) return 0;
    }
    return rule.probability;
  }

  #isLocal(address: string): boolean {
    return isLoopback(address) || this.#host.addresses.includes(address);
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

function covers(match: string, address: string): boolean {
  return match.includes("/") ? contains(match, address) : match === address;
}

function matchesInterface(pattern: string, name: string): boolean {
  return pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) && name !== "" : name === pattern;
}

function summarise(outcomes: readonly Outcome[]): Trace {
  const endpoints = new Map<string, Delivery>();
  const others = new Set<"rejected" | "dropped" | "accepted" | "untouched">();
  for (const { state, verdict } of outcomes) {
    if (verdict === "DROP") others.add("dropped");
    else if (verdict === "REJECT") others.add("rejected");
    else if (state.dnat === undefined) others.add(verdict === "ACCEPT" ? "accepted" : "untouched");
    else {
      const delivery: Delivery = {
        share: state.share + (endpoints.get(state.dnat)?.share ?? 0),
        masquerade: state.src === "masqueraded",
        accepted: verdict === "ACCEPT",
        remembered: state.remembered,
      };
      endpoints.set(state.dnat, delivery);
    }
  }
  if (others.size + Number(endpoints.size > 0) !== 1) {
    throw new Error(`one packet, several fates: ${[...others, ...endpoints.keys()].join(", ")}`);
  }
  const [other] = others;
  return other === undefined ? { kind: "delivered", endpoints } : { kind: other };
}
