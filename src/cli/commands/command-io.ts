/** What a command reads and writes: given, so that a command is a function that tests can call. */
import type { Terminal } from "./terminal.ts";

export interface CommandIo {
  readonly terminal: Terminal;
  /** Writes a line to standard output. */
  readonly print: (line: string) => void;
}

/** Options and arguments of a command, as commander has them. */
export interface CommandArguments {
  readonly argument: string;
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  /** What the command's own options left: flags of the daemon. */
  readonly rest: readonly string[];
}

/** Wrong arguments: exit code 2. */
export class UsageError extends Error {}
