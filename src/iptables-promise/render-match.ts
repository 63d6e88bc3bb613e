/** Matches as the text of a rule line. */
import { badRule, interfaceName, MAX_COMMENT_BYTES, objectName, recentName, refuseUnknown } from "./names.ts";
import type { Match, Ports } from "./types.ts";
import { quoteWord } from "./words.ts";

// Octets without leading zeros: iptables reads 041 as octal 33.
const IPV4 = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})(?:\/\d{1,2})?$/;
const IPV6 = /^[\da-fA-F:]*:[\da-fA-F:.]*(?:\/\d{1,3})?$/;
const PROTOCOL = /^[a-z\d][a-z\d.-]*$/;
const MAX_MARK = 0xffff_ffff;

function not(negate: boolean | undefined): string {
  return negate === true ? "! " : "";
}

function checkAddress(address: string): string {
  if (!IPV4.test(address) && !IPV6.test(address)) throw badRule(`address ${JSON.stringify(address)}`);
  return address;
}

function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw badRule(`port ${port}: allowed are 0 to 65535`);
  return port;
}

/** Writes a port or a range, with the separator of the option at hand. */
export function renderPorts(ports: Ports, separator: ":" | "-"): string {
  if (typeof ports === "number") return `${checkPort(ports)}`;
  if (ports[0] > ports[1]) throw badRule(`port range ${ports[0]} to ${ports[1]}`);
  return `${checkPort(ports[0])}${separator}${checkPort(ports[1])}`;
}

/** Writes a packet mark or mask as eight hex digits. */
export function renderMark(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > MAX_MARK) {
    throw badRule(`mark ${value}: allowed are 0 to 0xffffffff`);
  }
  return `0x${value.toString(16).padStart(8, "0")}`;
}

function renderComment(text: string): string {
  // A UTF-16 unit takes at most three bytes, so short texts need no counting.
  if (text.length * 3 > MAX_COMMENT_BYTES && Buffer.byteLength(text) > MAX_COMMENT_BYTES) {
    throw badRule(`comment of ${Buffer.byteLength(text)} bytes: allowed are ${MAX_COMMENT_BYTES}`);
  }
  return `-m comment --comment ${quoteWord(text)}`;
}

function renderRandom(probability: number): string {
  if (!(probability >= 0 && probability <= 1))
    throw badRule(`probability ${probability}: allowed are 0 to 1`);
  return `-m statistic --mode random --probability ${probability.toFixed(10)}`;
}

function renderRecent(match: Extract<Match, { match: "recent" }>): string {
  const { action, seconds, reap } = match;
  let text = `-m recent --name ${recentName(match.name)} ${not(match.negate)}--${action}`;
  if (action === "set" && (seconds !== undefined || reap === true)) {
    throw badRule(`recent list ${match.name}: set takes neither seconds nor reap`);
  }
  if (reap === true && seconds === undefined) throw badRule(`recent list ${match.name}: reap needs seconds`);
  if (seconds !== undefined) {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_MARK)
      throw badRule(`recent seconds ${seconds}`);
    text += ` --seconds ${seconds}`;
  }
  return reap === true ? `${text} --reap` : text;
}

function listOf(what: string, items: readonly string[]): string {
  if (items.length === 0) throw badRule(`${what}: the list is empty`);
  return items.join(",");
}

/** Renders one match; throws IPTABLES_BAD_RULE for a value that iptables could not take. */
export function renderMatch(match: Match): string {
  switch (match.match) {
    case "load":
      return `-m ${match.module}`;
    case "protocol":
      if (!PROTOCOL.test(match.protocol)) throw badRule(`protocol ${JSON.stringify(match.protocol)}`);
      return `${not(match.negate)}-p ${match.protocol}`;
    case "source":
      return `${not(match.negate)}-s ${checkAddress(match.address)}`;
    case "destination":
      return `${not(match.negate)}-d ${checkAddress(match.address)}`;
    case "sourcePort":
      return `${not(match.negate)}--sport ${renderPorts(match.port, ":")}`;
    case "destinationPort":
      return `${not(match.negate)}--dport ${renderPorts(match.port, ":")}`;
    case "inInterface":
      return `${not(match.negate)}-i ${interfaceName(match.name)}`;
    case "outInterface":
      return `${not(match.negate)}-o ${interfaceName(match.name)}`;
    case "comment":
      return renderComment(match.text);
    case "mark": {
      const mask = match.mask === undefined ? "" : `/${renderMark(match.mask)}`;
      return `-m mark ${not(match.negate)}--mark ${renderMark(match.value)}${mask}`;
    }
    case "conntrackState":
      return `-m conntrack ${not(match.negate)}--ctstate ${listOf("conntrack states", match.states)}`;
    case "addressType":
      return `-m addrtype ${not(match.negate)}--${match.side}-type ${listOf("address types", match.types)}`;
    case "random":
      return renderRandom(match.probability);
    case "recent":
      return renderRecent(match);
    case "nfacct":
      return `-m nfacct --nfacct-name ${objectName(match.name)}`;
    case "bridgePort":
      return `-m physdev ${not(match.negate)}--physdev-${match.test}`;
    case "bridgeInterface":
      return `-m physdev ${not(match.negate)}--physdev-${match.side} ${interfaceName(match.name)}`;
    case "set":
      return `-m set ${not(match.negate)}--match-set ${objectName(match.name)} ${listOf("set flags", match.flags)}`;
    default:
      return refuseUnknown(match);
  }
}
