/** Structured logs: one event a line, as text for people or JSON for machines, on standard error. */
import pino, { type Logger } from "pino";
import { renderTextLine } from "./text-line.ts";
import { levelOf, type ModuleVerbosity, Verbosities } from "./verbosity.ts";

export type { Logger };

export interface LoggerOptions {
  readonly format: "text" | "json";
  readonly verbosity: number;
  /** Verbosities of single modules; the first pattern that matches counts. */
  readonly vmodule?: readonly ModuleVerbosity[];
  /** Errors to standard error and everything else to standard output, instead of all to standard error. */
  readonly splitStream?: boolean;
}

/** Where lines go; a write is done when it returns. */
export interface LogStreams {
  readonly stderr: { write(text: string): unknown };
  readonly stdout: { write(text: string): unknown };
}

const ERROR = pino.levels.values.error ?? 50;

/** The verbosities of each logger that createLogger made. */
const VERBOSITIES = new WeakMap<Logger, Verbosities>();

/** Creates the program's logger. */
export function createLogger(options: LoggerOptions, streams: LogStreams = process): Logger {
  const { format, verbosity, vmodule = [], splitStream = false } = options;
  const destination = {
    // Makes pino tell the level of the line that it is about to write.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 0,
    write(line: string): void {
      const stream = splitStream && this.lastLevel < ERROR ? streams.stdout : streams.stderr;
      stream.write(format === "json" ? line : renderTextLine(line));
    },
  };
  const logger = pino(
    { level: levelOf(verbosity), base: null, serializers: { err: pino.stdSerializers.errWithCause } },
    destination,
  );
  VERBOSITIES.set(logger, new Verbosities(logger, verbosity, vmodule));
  return logger;
}

/**
 * The same logger with the verbosity that is set for a module: a source file's name without folder and ending. Files
 * that write lines which depend on the verbosity ask for it. A logger of another origin is returned as it is.
 */
export function moduleLogger(logger: Logger, module: string): Logger {
  const verbosities = VERBOSITIES.get(logger);
  if (verbosities === undefined) return logger;
  const child = verbosities.loggerOf(module);
  VERBOSITIES.set(child, verbosities);
  return child;
}

/** The program's verbosity; undefined for a logger of another origin. */
export function verbosityOf(logger: Logger): number | undefined {
  return VERBOSITIES.get(logger)?.verbosity;
}

/** Changes the program's verbosity; modules that have their own keep it. */
export function setVerbosity(logger: Logger, verbosity: number): void {
  VERBOSITIES.get(logger)?.set(verbosity);
}
