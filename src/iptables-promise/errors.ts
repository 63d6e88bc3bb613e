/** Every error the library throws: one class, one table of stable codes, predicates to steer by. */

/** Code → what it means. README.md repeats this table; a test compares them. */
export const ERROR_CODES = {
  IPTABLES_BAD_RULE: "A rule, match, target or name cannot be written as iptables text",
  IPTABLES_UNKNOWN_RULE: "A rule line uses a form that the typed model does not have",
  IPTABLES_BAD_DOCUMENT: "A text is not a document that iptables-save writes",
  IPTABLES_BINARY_MISSING: "The program to run is not installed or not in PATH",
  IPTABLES_UNSUPPORTED_VERSION: "The installed iptables is too old; the message names the needed version",
  IPTABLES_PERMISSION: "The program needs root (CAP_NET_ADMIN in the network namespace)",
  IPTABLES_LOCK_TIMEOUT: "Another program held the xtables lock for longer than waitSeconds",
  IPTABLES_RESOURCE: "The kernel or the program ran out of a resource; trying again may help",
  IPTABLES_TIMEOUT: "The program ran for longer than timeoutMs and was killed",
  IPTABLES_ABORTED: "The abort signal fired and the program was killed or not started",
  IPTABLES_NOT_FOUND: "A named chain, rule, target, match or object does not exist",
  IPTABLES_CHAIN_BUSY: "A chain cannot be deleted: rules still jump to it or it is not empty",
  IPTABLES_RESTORE_FAILED: "iptables-restore refused the document; `failures` holds the lines",
  IPTABLES_COMMAND_FAILED: "The program failed for another reason; `stderr` holds what it said",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One line of a restore document that was refused. */
export interface LineFailure {
  /** 1-based line number in the document. */
  readonly line: number;
  /** The line itself; empty when the number lies outside the document. */
  readonly text: string;
  /** The program's words; empty when it gave only the number, as the legacy variant does. */
  readonly message: string;
  /** The line with up to three lines before and after it. */
  readonly context: readonly { readonly line: number; readonly text: string }[];
}

export interface ErrorDetails {
  readonly command?: string;
  readonly exitCode?: number | undefined;
  readonly stderr?: string;
  readonly failures?: readonly LineFailure[];
  readonly cause?: unknown;
}

/** The library's only error. Match on `code`, or use the predicates; never on the message. */
export class IpTablesError extends Error {
  readonly code: ErrorCode;
  /** The command line, for people; empty when no program was involved. */
  readonly command: string;
  /** Undefined when no program ran to its end (not started, killed by a signal). */
  readonly exitCode: number | undefined;
  readonly stderr: string;
  readonly failures: readonly LineFailure[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "IpTablesError";
    this.code = code;
    this.command = details.command ?? "";
    this.exitCode = details.exitCode;
    this.stderr = details.stderr ?? "";
    this.failures = details.failures ?? [];
  }
}

// The programs run under LC_ALL=C, so these texts are not translated. They are those of iptables 1.8.9, both variants;
// "incompatible" is what the nft variant says of a chain that is not there. "No such file" counts only from iptables
// itself: a command prefix such as `ip netns exec` says it of its own troubles.
const NOT_FOUND = new RegExp(
  [
    "No chain/target/match by that name",
    "does a matching rule exist",
    "does not exist",
    "doesn't exist",
    "chain `\\S+' in table `\\S+' is incompatible",
    "failed \\(No such file or directory\\)",
    "^ip6?tables.*No such file or directory",
  ].join("|"),
  "m",
);
const CHAIN_BUSY =
  /CHAIN_(?:USER_)?DEL failed \((?:Device or resource busy|Directory not empty|Too many links)\)|: Directory not empty\.|: Too many links\./;
const LOCK = /xtables lock/;
const PERMISSION = /you must be root|Permission denied|Operation not permitted/;
const RESOURCE =
  /Resource temporarily unavailable|No buffer space available|Cannot allocate memory|Out of memory/i;

/** Reads the cause of a failed run from its standard error; undefined when the text names none we know. */
export function codeOfStderr(stderr: string): ErrorCode | undefined {
  // The order matters: a lock time-out and a missing lock file's permission also contain more general words.
  if (PERMISSION.test(stderr)) return "IPTABLES_PERMISSION";
  if (LOCK.test(stderr)) return "IPTABLES_LOCK_TIMEOUT";
  if (RESOURCE.test(stderr)) return "IPTABLES_RESOURCE";
  if (CHAIN_BUSY.test(stderr)) return "IPTABLES_CHAIN_BUSY";
  if (NOT_FOUND.test(stderr)) return "IPTABLES_NOT_FOUND";
  return undefined;
}

function causedBy(error: unknown, code: ErrorCode): boolean {
  if (!(error instanceof IpTablesError)) return false;
  if (error.code === code) return true;
  return error.code === "IPTABLES_RESTORE_FAILED" && codeOfStderr(error.stderr) === code;
}

/**
 * A chain, rule, target, match or object named in the call is not there. For a restore this can only be told when the
 * program said why: the legacy variant often names the line alone.
 */
export function isNotFound(error: unknown): boolean {
  return causedBy(error, "IPTABLES_NOT_FOUND");
}

/** A chain could not be deleted because it is referenced or not empty. Same limit for a restore as `isNotFound`. */
export function isChainBusy(error: unknown): boolean {
  return causedBy(error, "IPTABLES_CHAIN_BUSY");
}

/** The program is not installed, so it has made no rules either. */
export function isBinaryMissing(error: unknown): boolean {
  return error instanceof IpTablesError && error.code === "IPTABLES_BINARY_MISSING";
}

/** The failure may pass by itself: the lock was held, a resource was short, or the program took too long. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof IpTablesError &&
    (error.code === "IPTABLES_LOCK_TIMEOUT" ||
      error.code === "IPTABLES_RESOURCE" ||
      error.code === "IPTABLES_TIMEOUT")
  );
}
