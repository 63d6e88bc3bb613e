/** Targets read from the words after `-j`, as we write them and as the kernel tools print them. */
import { type Cursor, unknownRule } from "./cursor.ts";
import { oneOf, parseMark, parseNumber, parsePorts } from "./parse-values.ts";
import type { RejectWith, Target } from "./types.ts";

const REJECT_WITH: readonly RejectWith[] = [
  "icmp-net-unreachable",
  "icmp-host-unreachable",
  "icmp-port-unreachable",
  "icmp-proto-unreachable",
  "icmp-net-prohibited",
  "icmp-host-prohibited",
  "icmp-admin-prohibited",
  "icmp6-no-route",
  "icmp6-adm-prohibited",
  "icmp6-addr-unreachable",
  "icmp6-port-unreachable",
  "tcp-reset",
];
const ALL_BITS = 0xffff_ffff;

/** Unsigned 32-bit result of a bit operation. */
function u32(value: number): number {
  return value >>> 0;
}

/** Every spelling of MARK except or and xor is a set-xmark (libxt_MARK.c, mark_tg_x6_parse). */
function readMark(words: Cursor): Target {
  const option = words.next();
  const { value, mask = ALL_BITS } = parseMark(words.next());
  switch (option) {
    case "--set-xmark":
      return { target: "MARK", operation: "set-xmark", value, mask };
    case "--set-mark":
      return { target: "MARK", operation: "set-xmark", value, mask: u32(value | mask) };
    case "--and-mark":
      return { target: "MARK", operation: "set-xmark", value: 0, mask: u32(~value) };
    case "--or-mark":
      return { target: "MARK", operation: "or", value };
    case "--xor-mark":
      return { target: "MARK", operation: "xor", value };
    default:
      throw unknownRule(`MARK ${option}`);
  }
}

function readTproxy(words: Cursor): Target {
  let port: number | undefined;
  let ip: string | undefined;
  let mark: { value: number; mask: number } | undefined;
  while (!words.done) {
    const option = words.next();
    if (option === "--on-port") port = parseNumber(words.next(), 65535);
    else if (option === "--on-ip") ip = words.next();
    else if (option === "--tproxy-mark") {
      const { value, mask = ALL_BITS } = parseMark(words.next());
      mark = { value, mask };
    } else throw unknownRule(`TPROXY ${option}`);
  }
  if (port === undefined) throw unknownRule("TPROXY without a port");
  return {
    target: "TPROXY",
    port,
    ...(ip === undefined ? {} : { ip }),
    ...(mark === undefined ? {} : { mark }),
  };
}

/** Every target that is not a jump to a chain. */
const TARGETS: Readonly<Record<Exclude<Target["target"], "jump">, (words: Cursor) => Target>> = {
  ACCEPT: () => ({ target: "ACCEPT" }),
  DROP: () => ({ target: "DROP" }),
  RETURN: () => ({ target: "RETURN" }),
  REJECT: (w) =>
    w.take("--reject-with")
      ? { target: "REJECT", with: oneOf("reject answer", w.next(), REJECT_WITH) }
      : { target: "REJECT" },
  DNAT: (w) => {
    oneOf("DNAT option", w.next(), ["--to-destination"]);
    return { target: "DNAT", to: w.next() };
  },
  MASQUERADE: (w) =>
    w.take("--random-fully") ? { target: "MASQUERADE", randomFully: true } : { target: "MASQUERADE" },
  MARK: readMark,
  REDIRECT: (w) =>
    w.take("--to-ports")
      ? { target: "REDIRECT", toPorts: parsePorts(w.next(), "-") }
      : { target: "REDIRECT" },
  TPROXY: readTproxy,
};

/** Reads the target after `-j`, which must end the rule. Throws IPTABLES_UNKNOWN_RULE. */
export function readTarget(words: Cursor): Target {
  const name = words.next();
  const read = Object.hasOwn(TARGETS, name) ? TARGETS[name as keyof typeof TARGETS] : undefined;
  const target: Target = read === undefined ? { target: "jump", chain: name } : read(words);
  if (!words.done) throw unknownRule(`${name} ${words.next()}`);
  return target;
}
