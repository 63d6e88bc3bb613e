/** Matches read from the words of a rule, as we write them and as the kernel tools print them. */
import { type Cursor, unknownRule } from "./cursor.ts";
import { oneOf, parseMark, parseNumber, parsePorts, someOf } from "./parse-values.ts";
import type { AddressType, ConntrackState, Match } from "./types.ts";

// In the order of the kernel's bits, which is the order the tools print them in.
export const CONNTRACK_STATES: readonly ConntrackState[] = [
  "INVALID",
  "NEW",
  "RELATED",
  "ESTABLISHED",
  "UNTRACKED",
  "SNAT",
  "DNAT",
];
export const ADDRESS_TYPES: readonly AddressType[] = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
];

type ReadOption = (words: Cursor, negate: boolean) => Match;

/** Adds the negation only where there is one, so that equal matches are deeply equal. */
function negated(negate: boolean): { negate: true } | Record<never, never> {
  return negate ? { negate: true } : {};
}

function once(option: string, negate: boolean): void {
  if (negate) throw unknownRule(`! ${option}`);
}

const source: ReadOption = (w, n) => ({ match: "source", address: w.next(), ...negated(n) });
const destination: ReadOption = (w, n) => ({ match: "destination", address: w.next(), ...negated(n) });
const sourcePort: ReadOption = (w, n) => ({
  match: "sourcePort",
  port: parsePorts(w.next(), ":"),
  ...negated(n),
});
const destinationPort: ReadOption = (w, n) => ({
  match: "destinationPort",
  port: parsePorts(w.next(), ":"),
  ...negated(n),
});

const random: ReadOption = (w, n) => {
  once("--mode", n);
  oneOf("statistic mode", w.next(), ["random"]);
  oneOf("statistic option", w.next(), ["--probability"]);
  const text = w.next();
  if (!/^\d+(?:\.\d+)?$/.test(text) || Number(text) > 1) throw unknownRule(`probability ${text}`);
  return { match: "random", probability: Number(text) };
};

const addressType =
  (side: "src" | "dst"): ReadOption =>
  (w, n) => ({
    match: "addressType",
    side,
    types: someOf("address type", w.next(), ADDRESS_TYPES),
    ...negated(n),
  });

const bridgePort =
  (test: "is-in" | "is-out" | "is-bridged"): ReadOption =>
  (_w, n) => ({ match: "bridgePort", test, ...negated(n) });

const bridgeInterface =
  (side: "in" | "out"): ReadOption =>
  (w, n) => ({ match: "bridgeInterface", side, name: w.next(), ...negated(n) });

/** Options that stand for a whole match each. */
const OPTIONS: Readonly<Record<string, ReadOption>> = {
  "-p": (w, n) => ({ match: "protocol", protocol: w.next(), ...negated(n) }),
  "-s": source,
  "--source": source,
  "--src": source,
  "-d": destination,
  "--destination": destination,
  "--dst": destination,
  "-i": (w, n) => ({ match: "inInterface", name: w.next(), ...negated(n) }),
  "-o": (w, n) => ({ match: "outInterface", name: w.next(), ...negated(n) }),
  "--sport": sourcePort,
  "--source-port": sourcePort,
  "--dport": destinationPort,
  "--destination-port": destinationPort,
  "--comment": (w, n) => {
    once("--comment", n);
    return { match: "comment", text: w.next() };
  },
  "--mark": (w, n) => {
    const { value, mask } = parseMark(w.next());
    return { match: "mark", value, ...(mask === undefined ? {} : { mask }), ...negated(n) };
  },
  "--ctstate": (w, n) => ({
    match: "conntrackState",
    states: someOf("conntrack state", w.next(), CONNTRACK_STATES),
    ...negated(n),
  }),
  "--src-type": addressType("src"),
  "--dst-type": addressType("dst"),
  "--mode": random,
  "--nfacct-name": (w, n) => {
    once("--nfacct-name", n);
    return { match: "nfacct", name: w.next() };
  },
  "--physdev-is-in": bridgePort("is-in"),
  "--physdev-is-out": bridgePort("is-out"),
  "--physdev-is-bridged": bridgePort("is-bridged"),
  "--physdev-in": bridgeInterface("in"),
  "--physdev-out": bridgeInterface("out"),
  "--match-set": (w, n) => ({
    match: "set",
    name: w.next(),
    flags: someOf("set flag", w.next(), ["src", "dst"]),
    ...negated(n),
  }),
};

/** Modules whose options carry everything, so that `-m NAME` itself says nothing. */
const QUIET_MODULES: ReadonlySet<string> = new Set([
  "comment",
  "mark",
  "conntrack",
  "addrtype",
  "statistic",
  "nfacct",
  "physdev",
  "set",
]);

type RecentAction = Extract<Match, { match: "recent" }>["action"];
const RECENT_ACTIONS: readonly RecentAction[] = ["set", "rcheck", "update"];
const HOST_MASKS = ["255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];
const RECENT_OPTION = /^--(?:name|set|rcheck|update|seconds|reap|mask|rsource)$/;

/** Reads the options after `-m recent`, in any order; the mask must be the default, a single host. */
function readRecent(words: Cursor): Match {
  let name = "DEFAULT";
  let action: RecentAction | undefined;
  let negate = false;
  let seconds: number | undefined;
  let reap = false;
  for (;;) {
    const not = words.peek() === "!";
    const option = words.peek(not ? 1 : 0);
    if (option === undefined || !RECENT_OPTION.test(option)) break;
    if (not) words.next();
    words.next();
    if (option === "--name") name = words.next();
    else if (option === "--seconds") seconds = parseNumber(words.next(), 0xffff_ffff);
    else if (option === "--reap") reap = true;
    else if (option === "--mask") oneOf("recent mask", words.next(), HOST_MASKS);
    else if (option !== "--rsource") action = oneOf("recent action", option.slice(2), RECENT_ACTIONS);
    if (not && option !== `--${action}`) throw unknownRule(`! ${option}`);
    negate ||= not;
  }
  if (action === undefined) throw unknownRule("recent without an action");
  return {
    match: "recent",
    name,
    action,
    ...(seconds === undefined ? {} : { seconds }),
    ...(reap ? { reap } : {}),
    ...negated(negate),
  };
}

/** Reads the next match, or nothing where `-m NAME` only announces options. Throws IPTABLES_UNKNOWN_RULE. */
export function readMatch(words: Cursor): Match | undefined {
  if (words.take("-m")) {
    const module = words.next();
    if (module === "tcp" || module === "udp" || module === "sctp") return { match: "load", module };
    if (module === "recent") return readRecent(words);
    if (!QUIET_MODULES.has(module)) throw unknownRule(`-m ${module}`);
    return undefined;
  }
  const negate = words.take("!");
  const option = words.next();
  const read = Object.hasOwn(OPTIONS, option) ? OPTIONS[option] : undefined;
  if (read === undefined) throw unknownRule(option);
  return read(words, negate);
}
