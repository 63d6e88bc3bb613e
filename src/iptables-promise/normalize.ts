/** One comparable spelling for each rule: the one the kernel tools print. */
import { canonicalAddress, canonicalNetwork } from "./address.ts";
import { IpTablesError } from "./errors.ts";
import { ADDRESS_TYPES, CONNTRACK_STATES } from "./parse-match.ts";
import { parseSpec } from "./parse-rule.ts";
import { renderMatch } from "./render-match.ts";
import { renderTarget } from "./render-target.ts";
import type { Family, Match, Ports, Rule, Target } from "./types.ts";
import { splitWords } from "./words.ts";

const ALL_BITS = 0xffff_ffff;
/** The kernel keeps probabilities in steps of 2⁻³¹ (linux/netfilter/xt_statistic.h). */
const PROBABILITY_STEPS = 2 ** 31;
const HOST_MASK: Readonly<Record<Family, string>> = {
  IPv4: "255.255.255.255",
  IPv6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};
const ANY_ADDRESS: Readonly<Record<Family, string>> = { IPv4: "0.0.0.0", IPv6: "::" };
const REJECT_ANSWER: Readonly<Record<Family, string>> = {
  IPv4: "icmp-port-unreachable",
  IPv6: "icmp6-port-unreachable",
};
/** Numbers and aliases of the protocols whose names iptables prints from its own table (xshared.c, xtables_chain_protos). */
const PROTOCOL_NAMES: Readonly<Record<string, string>> = {
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "50": "esp",
  "51": "ah",
  "58": "ipv6-icmp",
  icmpv6: "ipv6-icmp",
  "132": "sctp",
  "136": "udplite",
};

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

function not(match: { readonly negate?: boolean }): string {
  return match.negate === true ? "! " : "";
}

/** The tools quote everything but letters, digits, `_` and `-`, and escape the apostrophe too (xtables_save_string). */
function quoteAsSaved(text: string): string {
  return /^[\w-]+$/.test(text) ? text : `"${text.replace(/["'\\]/g, "\\$&")}"`;
}

/** The matches that the tools print before all modules, in this order. */
const BASIC = ["source", "destination", "inInterface", "outInterface", "protocol"] as const;

/** A basic match; empty when it matches everything. */
function basic(match: Match): string {
  switch (match.match) {
    case "source":
    case "destination": {
      const network = canonicalNetwork(match.address) ?? match.address;
      if (match.negate !== true && network.endsWith("/0")) return "";
      return `${not(match)}-${match.match === "source" ? "s" : "d"} ${network}`;
    }
    case "protocol": {
      const name = PROTOCOL_NAMES[match.protocol] ?? match.protocol;
      return name === "0" || name === "all" ? "" : `${not(match)}-p ${name}`;
    }
    default:
      return renderMatch(match);
  }
}

/** `--dport 80`, `--dport 1:65535`; empty when every port matches. */
function portOption(option: string, ports: Ports, negate: boolean): string {
  let [first, last] = typeof ports === "number" ? [ports, ports] : ports;
  let inverted = negate;
  // The nft variant prints a negated range that starts at 0 as the range of the other ports.
  if (inverted && first === 0 && first < last && last < 65535) {
    [first, last, inverted] = [last + 1, 65535, false];
  }
  if (first === 0 && last === 65535 && !inverted) return "";
  return ` ${inverted ? "! " : ""}--${option} ${first === last ? first : `${first}:${last}`}`;
}

/** The `-m tcp` block: all port options of the rule, whichever place they were given in. */
function portBlock(module: string, matches: readonly Match[]): string {
  let text = `-m ${module}`;
  for (const [kind, option] of [
    ["sourcePort", "sport"],
    ["destinationPort", "dport"],
  ] as const) {
    for (const match of matches) {
      if (match.match === kind) text += portOption(option, match.port, match.negate === true);
    }
  }
  return text;
}

function recent(match: Extract<Match, { match: "recent" }>, family: Family | undefined): string {
  const mask = family === undefined ? "" : ` --mask ${HOST_MASK[family]} --rsource`;
  const seconds = match.seconds === undefined ? "" : ` --seconds ${match.seconds}`;
  const reap = match.reap === true ? " --reap" : "";
  return `-m recent ${not(match)}--${match.action}${seconds}${reap} --name ${match.name}${mask}`;
}

function extension(match: Match, family: Family | undefined): string {
  switch (match.match) {
    case "comment":
      return `-m comment --comment ${quoteAsSaved(match.text)}`;
    case "mark": {
      const mask = match.mask === undefined || match.mask === ALL_BITS ? "" : `/${hex(match.mask)}`;
      return `-m mark ${not(match)}--mark ${hex(match.value)}${mask}`;
    }
    case "conntrackState": {
      const states = CONNTRACK_STATES.filter((state) => match.states.includes(state));
      return `-m conntrack ${not(match)}--ctstate ${states.join(",")}`;
    }
    case "addressType": {
      const types = ADDRESS_TYPES.filter((type) => match.types.includes(type));
      return `-m addrtype ${not(match)}--${match.side}-type ${types.join(",")}`;
    }
    case "random": {
      const stored = Math.round(match.probability * PROBABILITY_STEPS) / PROBABILITY_STEPS;
      return `-m statistic --mode random --probability ${stored.toFixed(11)}`;
    }
    case "recent":
      return recent(match, family);
    default:
      return renderMatch(match);
  }
}

/** `10.0.0.1:80` and `[fd00::1]:80` with the address respelled. */
function targetAddress(text: string): string {
  const [, bracketed, port = ""] = /^\[([^\]]+)\](:\d+)$/.exec(text) ?? [];
  if (bracketed !== undefined) return `[${canonicalAddress(bracketed) ?? bracketed}]${port}`;
  return canonicalAddress(text) ?? text;
}

/** MARK as the value and mask the kernel stores. */
function storedMark(target: Extract<Target, { target: "MARK" }>): string {
  const { operation, value } = target;
  const mask = operation === "set-xmark" ? target.mask : operation === "or" ? value : 0;
  return `-j MARK --set-xmark ${hex(value)}/${hex(mask)}`;
}

function canonicalTproxy(target: Extract<Target, { target: "TPROXY" }>, family: Family | undefined): string {
  const { value, mask } = target.mark ?? { value: 0, mask: 0 };
  const given = canonicalAddress(target.ip ?? "");
  const ip = given === "0.0.0.0" || given === "::" ? undefined : given;
  const filled = ip ?? (family === undefined ? undefined : ANY_ADDRESS[family]);
  return `-j TPROXY --on-port ${target.port}${filled === undefined ? "" : ` --on-ip ${filled}`} --tproxy-mark ${hex(value)}/${hex(mask)}`;
}

function canonicalReject(answer: string | undefined, family: Family | undefined): string {
  const usual = answer === undefined || answer === REJECT_ANSWER.IPv4 || answer === REJECT_ANSWER.IPv6;
  const filled = usual ? family && REJECT_ANSWER[family] : answer;
  return filled === undefined ? "-j REJECT" : `-j REJECT --reject-with ${filled}`;
}

function canonicalTarget(target: Target, family: Family | undefined): string {
  switch (target.target) {
    case "REJECT":
      return canonicalReject(target.with, family);
    case "DNAT":
      return `-j DNAT --to-destination ${targetAddress(target.to)}`;
    case "MARK":
      return storedMark(target);
    case "TPROXY":
      return canonicalTproxy(target, family);
    default:
      return renderTarget(target);
  }
}

/** A rule without its chain, spelled as iptables-save of the family prints it; without a family, defaults are left out. */
function canonicalSpec(rule: Rule, family: Family | undefined): string {
  const words: string[] = [];
  for (const kind of BASIC) {
    for (const match of rule.matches) {
      const text = match.match === kind ? basic(match) : "";
      if (text !== "") words.push(text);
    }
  }
  let portsDone = false;
  for (const match of rule.matches) {
    const kind = match.match;
    if (kind === "load" || kind === "sourcePort" || kind === "destinationPort") {
      if (!portsDone) words.push(portBlock(kind === "load" ? match.module : protocolOf(rule), rule.matches));
      portsDone = true;
    } else if (!BASIC.some((one) => one === kind)) {
      words.push(extension(match, family));
    }
  }
  if (rule.target !== undefined) words.push(canonicalTarget(rule.target, family));
  return words.join(" ");
}

/** The module whose port options a rule uses without loading it. */
function protocolOf(rule: Rule): string {
  const found = rule.matches.find((match) => match.match === "protocol");
  return found === undefined ? "" : (PROTOCOL_NAMES[found.protocol] ?? found.protocol);
}

/**
 * Spells a rule's words (without command and chain) as iptables-save of the family prints them. Forms that the typed
 * model does not have keep their words and order. Without a family, the defaults that depend on it are left out.
 */
export function normalizeSpec(words: readonly string[], family?: Family): string {
  try {
    return canonicalSpec(parseSpec(words), family);
  } catch (error) {
    // Unknown words, or values that we would not write ourselves.
    if (!(error instanceof IpTablesError)) throw error;
    return words.map((word) => (word === "!" ? word : quoteAsSaved(word))).join(" ");
  }
}

/**
 * Spells a rule line (`-A CHAIN …`, with or without counters) in one way, so that a rule we rendered and the same rule
 * read back from the kernel are equal strings. With a family it is the spelling of that family's iptables-save; without,
 * values that the families fill in differently are left out, which is good for comparing only. Of forms that the typed
 * model does not have only blanks and quotes are unified. Throws IPTABLES_BAD_DOCUMENT for an unclosed quote.
 */
export function normalizeRule(line: string, family?: Family): string {
  const words = splitWords(line);
  if (words[0]?.startsWith("[") === true) words.shift();
  const [command, chain, ...spec] = words;
  return `${command} ${chain} ${normalizeSpec(spec, family)}`.trimEnd();
}
