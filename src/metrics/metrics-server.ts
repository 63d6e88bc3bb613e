/** The metrics server: `/metrics`, `/metrics/slis`, a plain `/healthz`, `/proxyMode` and `/configz`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Registry } from "prom-client";
import type { ProxyConfig } from "../config/proxy-config.ts";
import { type ListenTarget, pathOf, reply, replyNotFound } from "../http/listen.ts";
import { RetryingServer } from "../http/retrying-server.ts";
import type { Logger } from "../logging/logger.ts";
import type { ProxyMetrics } from "./proxy-metrics.ts";

export interface MetricsServerOptions {
  readonly metrics: Pick<ProxyMetrics, "render" | "slis">;
  /** The effective configuration: shown on /configz, and its mode on /proxyMode. */
  readonly config: ProxyConfig;
  readonly listen: ListenTarget;
  readonly hardFail: boolean;
  readonly logger: Logger;
  /** Milliseconds between attempts to get the port. Default 5,000. */
  readonly retryMs?: number;
}

const TEXT = "text/plain; charset=utf-8";
const compress = promisify(gzip);

/** Creates the server; `start` it. */
export function createMetricsServer(options: MetricsServerOptions): RetryingServer {
  const { metrics, config, logger } = options;
  return new RetryingServer({ name: "metrics", ...options }, (request, response) => {
    const path = pathOf(request.url);
    switch (path) {
      case "/metrics":
      case "/metrics/slis":
        answerMetrics(path === "/metrics" ? metrics : metrics.slis, request, response).catch(
          (err: unknown) => {
            logger.error({ err }, "Cannot render the metrics");
            reply(response, 500, TEXT, "cannot render the metrics\n");
          },
        );
        break;
      case "/healthz":
        metrics.slis.observe("ping", "healthz", true);
        reply(response, 200, TEXT, "ok");
        break;
      case "/proxyMode":
        reply(response, 200, TEXT, config.mode);
        break;
      case "/configz":
        reply(response, 200, "application/json", JSON.stringify({ "kubeproxy.config.k8s.io": config }));
        break;
      default:
        replyNotFound(response);
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
