/** What to tell systemd, given what the proxy does: the assignments of sd_notify(3). Pure. */
import type { HealthReport } from "../health/proxy-health.ts";

export interface ServiceState {
  /** What the start still waits for, in words that stand after "waiting for"; undefined once every family has synced. */
  readonly waitingFor: string | undefined;
  /** Services known. */
  readonly services: number;
  readonly health: HealthReport;
}

/** What systemd knows already. */
export interface Told {
  readonly ready: boolean;
  readonly status: string;
}

export interface Notice {
  /** Empty when there is nothing to tell. */
  readonly lines: readonly string[];
  /** What systemd knows once it has the lines. */
  readonly told: Told;
}

export const NOTHING_TOLD: Told = { ready: false, status: "" };

/** How much longer a start may take after each sign of life: without one the start has hung. */
const START_EXTENSION_MS = 60_000;

/**
 * `signOfLife` says that one is due. A start may wait for ever, since the API server may be away for ever, as long as the
 * event loop turns. Afterwards a family that cannot follow counts as hung: the watchdog then ends the process.
 */
export function noticeOf(state: ServiceState, told: Told, signOfLife: boolean): Notice {
  const ready = told.ready || state.waitingFor === undefined;
  const status = statusOf(state, ready);
  const becameReady = ready && !told.ready;
  const lines: string[] = [];
  if (becameReady) lines.push("READY=1");
  if (status !== told.status) lines.push(`STATUS=${status}`);
  if (signOfLife && !ready) lines.push(`EXTEND_TIMEOUT_USEC=${START_EXTENSION_MS * 1000}`);
  if ((signOfLife || becameReady) && ready && state.health.healthy) lines.push("WATCHDOG=1");
  return { lines, told: { ready, status } };
}

/** The last notice of a process; `reason` says why it ends. */
export function farewell(reason: string): readonly string[] {
  return ["STOPPING=1", `STATUS=${oneLine(reason)}`];
}

function statusOf({ waitingFor, services, health }: ServiceState, ready: boolean): string {
  if (!ready) return oneLine(`waiting for ${waitingFor}`);
  const families = Object.entries(health.families).map(([family, { healthy, lastUpdatedMs }]) => {
    const at = new Date(lastUpdatedMs).toISOString().replace(/\.\d+Z$/, "Z");
    return `${family} ${healthy ? "synced" : "behind, last synced"} ${at}`;
  });
  return `${services} Services; ${families.join(", ")}`;
}

/** A line end would begin another assignment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}
