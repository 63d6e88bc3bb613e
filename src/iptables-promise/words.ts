/** Words of a rule line, quoted and split the way iptables-restore does it (iptables xshared.c, add_param_to_argv). */
import { IpTablesError } from "./errors.ts";

// Printable ASCII without the quote characters and the backslash.
const BARE = /^[!#-&(-[\]-~]+$/;
const BLANKS = /[ \t\n]+/;
const CONTROL = /\p{Cc}/u;

/**
 * Writes one word: bare where that is safe, else in double quotes with `"` and `\` escaped.
 * Throws IPTABLES_BAD_RULE for control characters, which no quoting can carry through a line format.
 */
export function quoteWord(word: string): string {
  if (BARE.test(word)) return word;
  if (CONTROL.test(word)) {
    throw new IpTablesError("IPTABLES_BAD_RULE", `control character in ${JSON.stringify(word)}`);
  }
  return `"${word.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Splits a rule line into words. Blanks separate; double quotes group; a backslash escapes inside quotes only.
 * Throws IPTABLES_BAD_DOCUMENT when a quote is not closed.
 */
export function splitWords(line: string): string[] {
  if (!line.includes('"')) return line.split(BLANKS).filter((word) => word !== "");
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  let from = 0; // start of the characters not yet taken
  for (let at = 0; at <= line.length; at++) {
    const c = line[at];
    const ends = c === undefined || (!quoted && (c === " " || c === "\t" || c === "\n"));
    if (!ends && c !== '"' && !(quoted && c === "\\")) continue;
    if (from < at) word = (word ?? "") + line.slice(from, at);
    from = at + 1;
    if (c === '"') {
      quoted = !quoted;
      word ??= "";
    } else if (ends) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      from = ++at; // the escaped character is taken as it is
    }
  }
  if (quoted) throw new IpTablesError("IPTABLES_BAD_DOCUMENT", `unclosed quote in ${JSON.stringify(line)}`);
  return words;
}

/** Whether every double quote in the text is closed: a rule whose comment holds a newline spans several lines. */
export function quotesClosed(text: string): boolean {
  for (let open = text.indexOf('"'); open !== -1; ) {
    let close = text.indexOf('"', open + 1);
    while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
    if (close === -1) return false;
    open = text.indexOf('"', close + 1);
  }
  return true;
}

/** Whether an odd number of backslashes stands before the place. */
function isEscaped(text: string, at: number): boolean {
  let start = at;
  while (text[start - 1] === "\\") start--;
  return (at - start) % 2 === 1;
}
