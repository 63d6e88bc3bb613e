/** A line for people. */

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
