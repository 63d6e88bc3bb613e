/** How bad configuration is reported: every problem at once, each naming the field, its value and what is allowed. */

/** One field that cannot be used. */
export interface Problem {
  /** Dotted path in the configuration file, or a flag with its dashes. */
  readonly field: string;
  readonly value: unknown;
  /** Reads on from "must be". */
  readonly allowed: string;
}

/** A command line or configuration file that cannot be used; the message is one line. */
export class ConfigError extends Error {
  readonly code = "INVALID_CONFIGURATION";
  constructor(message: string, options?: { cause?: unknown }) {
    super(message.replace(/\s*\n\s*/g, " "), options);
    this.name = "ConfigError";
  }
}

const MAX_VALUE = 120;

/** A value as people wrote it, on one line and cut to a readable length. */
export function showValue(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}

/** Prints problems on one line, semicolons between them. */
export function showProblems(problems: readonly Problem[]): string {
  const lines = problems.map(
    ({ field, value, allowed }) => `${field}: ${showValue(value)}: must be ${allowed}`,
  );
  // One flag may stand for a field of several sections.
  return [...new Set(lines)].join("; ");
}
