/**
 * The proxy's own health over HTTP, for load balancers (`/healthz`, which drains the node) and liveness probes
 * (`/livez`, which does not look at the node). Bodies are those of Kubernetes 1.33 and later.
 */
import type { ServerResponse } from "node:http";
import { type ListenTarget, pathOf, reply, replyNotFound } from "../http/listen.ts";
import { RetryingServer } from "../http/retrying-server.ts";
import type { Logger } from "../logging/logger.ts";
import type { HealthReport, ProxyHealth } from "./proxy-health.ts";

export type HealthPath = "/healthz" | "/livez";

export interface HealthzServerOptions {
  readonly health: Pick<ProxyHealth, "report">;
  readonly listen: ListenTarget;
  readonly hardFail: boolean;
  readonly logger: Logger;
  readonly onAnswer?: (path: HealthPath, code: 200 | 503) => void;
  /** Milliseconds between attempts to get the port. Default 5,000. */
  readonly retryMs?: number;
}

/** Go's zero time: what upstream prints for "never". */
const NEVER = "0001-01-01T00:00:00Z";

/** Creates the server; `start` it. Every method is answered alike. */
export function createHealthzServer(options: HealthzServerOptions): RetryingServer {
  const answer = (path: HealthPath, response: ServerResponse): void => {
    const { code, body } = renderHealth(path, options.health.report());
    options.onAnswer?.(path, code);
    reply(response, code, "application/json", body);
  };
  return new RetryingServer({ name: "healthz", ...options }, (request, response) => {
    const path = pathOf(request.url);
    if (path === "/healthz" || path === "/livez") answer(path, response);
    else replyNotFound(response);
  });
}

/** Status code and body for a state. */
export function renderHealth(path: HealthPath, report: HealthReport): { code: 200 | 503; body: string } {
  const ofNode = path === "/healthz";
  const code = report.healthy && (report.nodeEligible || !ofNode) ? 200 : 503;
  const status = Object.fromEntries(
    Object.entries(report.families).map(([family, { lastUpdatedMs, healthy }]) => [
      family,
      { lastUpdated: rfc3339(lastUpdatedMs), healthy },
    ]),
  );
  const body = JSON.stringify({
    // Load balancers of old judge by the age of this field, so a good answer is always fresh.
    lastUpdated: rfc3339(code === 200 ? report.currentMs : report.lastUpdatedMs),
    currentTime: rfc3339(report.currentMs),
    ...(ofNode && { nodeEligible: report.nodeEligible }),
    healthy: report.healthy,
    ...(Object.keys(status).length > 0 && { status }),
    // Ours, and only during a start that takes long: upstream does not listen then.
    ...(report.waitingFor.length > 0 && { waitingFor: report.waitingFor }),
  });
  return { code, body };
}

function rfc3339(ms: number | undefined): string {
  return ms === undefined ? NEVER : new Date(ms).toISOString();
}
