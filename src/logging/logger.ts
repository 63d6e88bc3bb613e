/** Structured logs: one event a line, as text for people or JSON for machines, on standard error. */
import pino, { type Logger } from "pino";

export type { Logger };

/** Levels shown: verbosity 0–1 → info, 2–3 → info, 4+ → debug, 6+ → trace (klog's -v, as operators know it). */
function levelOf(verbosity: number): string {
  if (verbosity >= 6) return "trace";
  return verbosity >= 4 ? "debug" : "info";
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: "TRACE",
  20: "DEBUG",
  30: "INFO",
  40: "WARN",
  50: "ERROR",
  60: "FATAL",
};

/** Writes pino's JSON line as `time LEVEL message key=value …`. Control characters stay escaped, as JSON has them. */
export function renderTextLine(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  let line = `${new Date(Number(time)).toISOString()} ${LEVEL_NAMES[Number(level)] ?? level} ${msg ?? ""}`;
  for (const [key, value] of Object.entries(fields)) {
    line += ` ${key}=${typeof value === "string" && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`;
  }
  const message = (err as { message?: unknown } | undefined)?.message;
  if (message !== undefined) line += ` err=${JSON.stringify(message)}`;
  return `${line}\n`;
}

/** Creates the program's logger. */
export function createLogger(options: { format: "text" | "json"; verbosity: number }): Logger {
  const write = (line: string): void => {
    process.stderr.write(options.format === "json" ? line : renderTextLine(line));
  };
  return pino(
    {
      level: levelOf(options.verbosity),
      base: null,
      serializers: { err: pino.stdSerializers.errWithCause },
    },
    { write },
  );
}
