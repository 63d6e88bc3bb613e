/** Rules as lines of a restore document, or as arguments of the iptables command. */
import { badRule, chainName } from "./names.ts";
import { renderMatch } from "./render-match.ts";
import { renderTarget } from "./render-target.ts";
import type { Rule, RuleInput } from "./types.ts";
import { splitWords } from "./words.ts";

const PORT_PROTOCOLS: ReadonlySet<string> = new Set(["tcp", "udp", "sctp", "6", "17", "132"]);

/**
 * Renders a rule without its chain: matches in the order given, then the target; empty for a rule with neither.
 * Throws IPTABLES_BAD_RULE for anything that iptables could not take.
 */
export function renderSpec(rule: Rule): string {
  let text = "";
  let portsLoaded = false;
  for (const match of rule.matches) {
    const kind = match.match;
    if (
      kind === "load" ||
      (kind === "protocol" && PORT_PROTOCOLS.has(match.protocol) && match.negate !== true)
    ) {
      portsLoaded = true;
    } else if ((kind === "sourcePort" || kind === "destinationPort") && !portsLoaded) {
      throw badRule("a port match needs a protocol with ports before it");
    }
    text += text === "" ? renderMatch(match) : ` ${renderMatch(match)}`;
  }
  if (rule.target === undefined) return text;
  return text === "" ? renderTarget(rule.target) : `${text} ${renderTarget(rule.target)}`;
}

/**
 * Renders a line for a restore document, e.g. `-A WEB -p tcp --dport 80 -j ACCEPT`, without a line end.
 * Same errors as `renderSpec`.
 */
export function renderRule(chain: string, rule: Rule, command: "-A" | "-I" | "-D" = "-A"): string {
  const spec = renderSpec(rule);
  return spec === "" ? `${command} ${chainName(chain)}` : `${command} ${chainName(chain)} ${spec}`;
}

/** A rule as an argument array for a program run without a shell. Same errors as `renderSpec`. */
export function ruleArguments(rule: RuleInput): readonly string[] {
  return "matches" in rule ? splitWords(renderSpec(rule)) : rule;
}
