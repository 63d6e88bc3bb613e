/** Rule lines read back to typed rules. */
import { Cursor, unknownRule } from "./cursor.ts";
import { readMatch } from "./parse-match.ts";
import { readTarget } from "./parse-target.ts";
import type { Match, Rule, Target } from "./types.ts";
import { splitWords } from "./words.ts";

/** Reads a rule's words without command and chain. Throws IPTABLES_UNKNOWN_RULE for a form the model does not have. */
export function parseSpec(words: readonly string[]): Rule {
  const cursor = new Cursor(words);
  const matches: Match[] = [];
  let target: Target | undefined;
  while (!cursor.done) {
    if (cursor.take("-j")) {
      target = readTarget(cursor);
    } else {
      const match = readMatch(cursor);
      if (match !== undefined) matches.push(match);
    }
  }
  return target === undefined ? { matches } : { matches, target };
}

/**
 * Reads an append line (`-A CHAIN …`, counters before it are skipped) as rendered here or printed by iptables-save
 * and `iptables -S`. Throws IPTABLES_UNKNOWN_RULE for forms the model does not have.
 */
export function parseRule(line: string): { chain: string; rule: Rule } {
  const words = splitWords(line);
  if (words[0]?.startsWith("[") === true) words.shift();
  const [command, chain, ...spec] = words;
  if (command !== "-A" || chain === undefined) throw unknownRule(line);
  return { chain, rule: parseSpec(spec) };
}
