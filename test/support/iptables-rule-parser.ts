/** Reads the rule lines the proxy writes; anything else throws, so that a new kind of rule cannot pass unnoticed. */

export interface RuleMatch {
  readonly option: string;
  readonly value: string;
  readonly negated: boolean;
}

export interface ParsedRule {
  readonly matches: readonly RuleMatch[];
  /** Chance of the rule's `statistic` match; 1 without one. */
  readonly probability: number;
  /** List that the rule enters the source into. */
  readonly recentSet: string | undefined;
  /** Chain or built-in target; undefined = the rule only counts. */
  readonly target: string | undefined;
  readonly orMark: number;
  readonly xorMark: number;
  readonly toDestination: string | undefined;
}

/** Splits a line at blanks; double quotes hold a word together. */
export function splitWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
}

const MODULES = [
  "comment",
  "tcp",
  "udp",
  "sctp",
  "mark",
  "statistic",
  "addrtype",
  "conntrack",
  "recent",
  "nfacct",
];

/** Options whose value decides whether the packet matches. */
const MATCHES = ["-p", "-s", "-d", "-i", "--dport", "--mark", "--src-type", "--dst-type", "--ctstate"];
const OTHERS = [
  ...["-m", "-j", "--comment", "--nfacct-name", "--mode", "--probability", "--name", "--seconds"],
  ...["--or-mark", "--xor-mark", "--to-destination"],
];
const FLAGS = ["--rcheck", "--set", "--reap", "--random-fully"];

/** Parses the words of a `-A CHAIN …` line. */
export function parseRule(words: readonly string[]): ParsedRule {
  const matches: RuleMatch[] = [];
  const values = new Map<string, string>();
  let negated = false;
  for (let at = 2; at < words.length; at++) {
    const option = words[at]!;
    if (option === "!") {
      negated = true;
      continue;
    }
    if (FLAGS.includes(option)) {
      values.set(option, "");
    } else {
      const value = words[++at];
      const known = MATCHES.includes(option) || (OTHERS.includes(option) && !negated);
      const legal = option !== "-m" || MODULES.includes(value ?? "");
      if (value === undefined || !known || !legal) throw new Error(`cannot trace: ${words.join(" ")}`);
      if (MATCHES.includes(option)) matches.push({ option, value, negated });
      else values.set(option, value);
    }
    negated = false;
  }
  if (values.has("--rcheck"))
    matches.push({ option: "--rcheck", value: values.get("--name")!, negated: false });
  return {
    matches,
    probability: Number(values.get("--probability") ?? 1),
    recentSet: values.has("--set") ? values.get("--name") : undefined,
    target: values.get("-j"),
    orMark: Number(values.get("--or-mark") ?? 0),
    xorMark: Number(values.get("--xor-mark") ?? 0),
    toDestination: values.get("--to-destination"),
  };
}
