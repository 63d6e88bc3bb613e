/** Which lines of a restore document were refused, read from what iptables-restore says on standard error. */
import type { LineFailure } from "./errors.ts";

/** Lines shown before and after a refused one. */
const CONTEXT_LINES = 3;

interface Finding {
  readonly line: number;
  readonly message: string;
}

// The formats of iptables 1.8.9, after the program's name. What is left without the line number is the cause.
const LINE = [
  /^line (\d+)(?: failed)?(?:: |$)/, // both; the legacy variant gives no cause, nft one line for each operation
  /^Error occurred at line: (\d+)$/, // both; the cause is in the lines before
  / at line (\d+)$/, // COMMIT expected
  / line (\d+)(?=: )/, // policies
] as const;
const PROGRAM = /^(?:ip6?tables(?:-nft|-legacy)?-restore(?: v[\d.]+(?: \(\w+\))?)?: *)+/;
const NOTICE = /^(?:Ignoring deprecated|Try `|# )/;

function findingsOf(stderr: string): Finding[] {
  const found = new Map<number, string>();
  let before: string[] = [];
  for (const printed of stderr.split("\n")) {
    const said = printed.replace(PROGRAM, "");
    const match = LINE.map((format) => format.exec(said)).find((result) => result !== null);
    const cause = (match == null ? said : said.replace(match[0], "")).trim();
    if (cause !== "" && !NOTICE.test(cause)) before.push(cause);
    if (match == null) continue;
    const line = Number(match[1]);
    if (!found.has(line)) found.set(line, before.join(" "));
    before = [];
  }
  return [...found].map(([line, message]) => ({ line, message }));
}

/** The nft variant notices a jump to a missing chain at COMMIT and names that line; this finds the one with the jump. */
function jumpLine(finding: Finding, lines: readonly string[]): number {
  const missing = /Chain '([^']+)' does not exist/.exec(finding.message)?.[1];
  if (missing === undefined) return finding.line;
  const tableAt = lines.slice(0, finding.line).findLastIndex((line) => line.startsWith("*"));
  const isJump = (line: string): boolean =>
    line.endsWith(` -j ${missing}`) || line.endsWith(` -g ${missing}`);
  const jumpAt = lines.findIndex((line, i) => i > tableAt && i < finding.line && isJump(line));
  return jumpAt === -1 ? finding.line : jumpAt + 1;
}

/** The refused lines with their text and surroundings; empty when the program named none. */
export function restoreFailures(stderr: string, document: string): LineFailure[] {
  const findings = findingsOf(stderr);
  if (findings.length === 0) return [];
  const lines = document.split("\n");
  return findings.map((finding) => {
    const line = jumpLine(finding, lines);
    const from = Math.max(line - 1 - CONTEXT_LINES, 0);
    const context = lines.slice(from, line + CONTEXT_LINES).map((text, i) => ({ line: from + i + 1, text }));
    return { line, text: lines[line - 1] ?? "", message: finding.message, context };
  });
}

/** The first refused lines for people, each with its context and an arrow. */
export function describeFailures(failures: readonly LineFailure[]): string {
  return failures
    .slice(0, 3)
    .map(({ line, message, context }) => {
      const shown = context.map((c) => `${c.line === line ? ">" : " "} ${c.line}: ${c.text}`);
      return [`line ${line}${message === "" ? "" : `: ${message}`}`, ...shown].join("\n");
    })
    .join("\n");
}
