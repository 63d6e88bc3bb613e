/** The metrics server: `/metrics`, `/metrics/slis`, a plain `/healthz`, `/proxyMode`, `/configz`, and others' pages. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Registry } from "prom-client";
import type { ProxyMode } from "../config/proxy-config.ts";
import { type ListenTarget, PLAIN_TEXT, pathOf, reply, replyNotFound } from "../http/listen.ts";
import { RetryingServer } from "../http/retrying-server.ts";
import type { Logger } from "../logging/logger.ts";
import type { ProxyMetrics } from "./proxy-metrics.ts";

export interface MetricsServerOptions {
  readonly metrics: Pick<ProxyMetrics, "render" | "slis">;
  /** Shown on /proxyMode. */
  readonly mode: ProxyMode;
  /** Shown on /configz, as JSON. */
  readonly configz: object;
  /** Answers a request for a page that this server does not know, and returns true; or returns false. */
  readonly pages?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly listen: ListenTarget;
  readonly hardFail: boolean;
  readonly logger: Logger;
  /** Milliseconds between attempts to get the port. Default 5,000. */
  readonly retryMs?: number;
}

const compress = promisify(gzip);

/** Creates the server; `start` it. */
export function createMetricsServer(options: MetricsServerOptions): RetryingServer {
  const { metrics, mode, configz, pages, logger } = options;
  return new RetryingServer({ name: "metrics", ...options }, (request, response) => {
    const path = pathOf(request.url);
    switch (path) {
      case "/metrics":
      case "/metrics/slis":
        answerMetrics(path === "/metrics" ? metrics : metrics.slis, request, response).catch(
          (err: unknown) => {
            logger.error({ err }, "Cannot render the metrics");
            reply(response, 500, PLAIN_TEXT, "cannot render the metrics\n");
          },
        );
        break;
      case "/healthz":
        metrics.slis.observe("ping", "healthz", true);
        reply(response, 200, PLAIN_TEXT, "ok");
        break;
      case "/proxyMode":
        reply(response, 200, PLAIN_TEXT, mode);
        break;
      case "/configz":
        reply(response, 200, "application/json", JSON.stringify(configz));
        break;
      default:
        if (!pages?.(request, response)) replyNotFound(response);
    }
  });
}

async function answerMetrics(
  metrics: Pick<ProxyMetrics, "render">,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const text = await metrics.render();
  if (!acceptsGzip(request.headers["accept-encoding"])) {
    reply(response, 200, Registry.PROMETHEUS_CONTENT_TYPE, text);
    return;
  }
  const headers = { "Content-Encoding": "gzip", Vary: "Accept-Encoding" };
  reply(response, 200, Registry.PROMETHEUS_CONTENT_TYPE, await compress(text), headers);
}

/** RFC 9110, 12.5.3: gzip is named and its weight is not zero. */
function acceptsGzip(accepted: string | string[] | undefined): boolean {
  return String(accepted ?? "")
    .split(",")
    .some((coding) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$)[\d.]+\s*)?$/i.test(coding));
}
