/** A command instead of the daemon, which loads nothing of this. */
import { runCommand } from "./run.ts";
import { terminalOf } from "./terminal.ts";

/** Runs the command that the first argument names; resolves with the exit code. */
export function runOnTerminal(argv: readonly string[]): Promise<number> {
  // The reader has seen enough, as `head` has.
  process.stdout.on("error", () => process.exit(0));
  return runCommand(argv, {
    terminal: terminalOf(process.stdout, process.env),
    print: (line) => process.stdout.write(`${line}\n`),
    complain: (line) => process.stderr.write(`${line}\n`),
  });
}
