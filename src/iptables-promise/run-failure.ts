/** A program's exit code and words as a typed error. */
import { codeOfStderr, type ErrorCode, IpTablesError } from "./errors.ts";
import { describeFailures, restoreFailures } from "./restore-failures.ts";
import type { RunResult } from "./run.ts";

function codeOf({ exitCode, stderr }: RunResult): ErrorCode {
  // env(1), nsenter(1) and shells end with 127, ip(8) with 255, when the program behind them is missing.
  const missing = exitCode === 127 || /^exec of ".*" failed: No such file or directory/m.test(stderr);
  if (missing) return "IPTABLES_BINARY_MISSING";
  const known = codeOfStderr(stderr);
  if (known !== undefined) return known;
  // Exit code 4 is iptables' RESOURCE_PROBLEM; nft also uses it for refused commits, which name their cause.
  return exitCode === 4 && !/ failed \(/.test(stderr) ? "IPTABLES_RESOURCE" : "IPTABLES_COMMAND_FAILED";
}

function messageOf(result: RunResult, words: string): string {
  const how = result.exitCode === undefined ? `killed by ${result.killedBy}` : `exit code ${result.exitCode}`;
  return `${result.command}: ${how}: ${words}`;
}

/** The error of a command that did not end with 0. */
export function commandFailure(result: RunResult): IpTablesError {
  const { command, exitCode, stderr } = result;
  return new IpTablesError(codeOf(result), messageOf(result, stderr.trim()), { command, exitCode, stderr });
}

/** Failures of a restore that say nothing about the document. */
const NOT_THE_DOCUMENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "IPTABLES_BINARY_MISSING",
  "IPTABLES_PERMISSION",
  "IPTABLES_LOCK_TIMEOUT",
  "IPTABLES_RESOURCE",
]);

/** The error of a restore that did not end with 0, with the refused lines of the document. */
export function restoreFailure(result: RunResult, document: string): IpTablesError {
  if (NOT_THE_DOCUMENT.has(codeOf(result))) return commandFailure(result);
  const { command, exitCode, stderr } = result;
  const failures = restoreFailures(stderr, document);
  const words = failures.length === 0 ? stderr.trim() : describeFailures(failures);
  return new IpTablesError("IPTABLES_RESTORE_FAILED", messageOf(result, words), {
    command,
    exitCode,
    stderr,
    failures,
  });
}
