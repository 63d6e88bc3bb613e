/** What systemd tells a service in its environment: sd_notify(3), sd_watchdog_enabled(3). */

export interface Supervision {
  /** Where to send notices: an absolute path, or `@` and an abstract name. */
  readonly socket: string;
  /** How long systemd waits for a sign of life; undefined when it does not. */
  readonly watchdogMs: number | undefined;
}

const VARIABLES = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] as const;

/**
 * Takes these variables out of the environment, so that programs started from here do not speak for the service.
 * Undefined when nobody wants to be told.
 */
export function takeSupervision(environment: NodeJS.ProcessEnv, pid: number): Supervision | undefined {
  const [socket, microseconds, watched] = VARIABLES.map((name) => environment[name]);
  for (const name of VARIABLES) delete environment[name];
  if (!socket) return undefined;
  const milliseconds = /^\d+$/.test(microseconds ?? "") ? Number(microseconds) / 1000 : 0;
  const isMeant = watched === undefined || watched === String(pid);
  return { socket, watchdogMs: isMeant && milliseconds > 0 ? milliseconds : undefined };
}
