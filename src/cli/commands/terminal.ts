/** Text for terminals: nothing that comes from outside can move the cursor, change colours or hide other text. */

export interface Terminal {
  readonly colour: boolean;
  /** Columns to keep lines within; undefined = no limit. */
  readonly width: number | undefined;
}

/** What standard output is. NO_COLOR: no-color.org. */
export function terminalOf(
  stream: Pick<NodeJS.WriteStream, "isTTY" | "columns">,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = stream.isTTY === true;
  const colour = isTerminal && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
  // Some pseudo-terminals have 0 columns.
  return { colour, width: isTerminal ? stream.columns || undefined : undefined };
}

/** Controls, and what is invisible or turns the direction of text: categories Cc, Cf, Co, Cs, Zl and Zp. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Shows such characters as U+FFFD. */
export function plain(text: string): string {
  return text.replace(UNSEEN, "\uFFFD");
}

/** JSON in which they are escaped, so that it means the same. */
export function safeJson(value: unknown, indent?: number): string {
  // The line ends of an indented text are its own: those inside of strings are escaped by then.
  const escaped = (found: string): string =>
    found === "\n"
      ? found
      : Array.from(
          { length: found.length },
          (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, "0")}`,
        ).join("");
  return JSON.stringify(value, undefined, indent).replace(UNSEEN, escaped);
}

const STYLES = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" } as const;
export type Style = keyof typeof STYLES;

/** Puts a text into a style, where the terminal has colours. */
export function styled(text: string, style: Style | undefined, { colour }: Pick<Terminal, "colour">): string {
  return colour && style !== undefined && text !== "" ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
}

/** Breaks a text at blanks into lines of at most so many characters; a longer word is a line of its own. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** `1 Service`, `2 Services`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
