/**
 * Tells programs of this host how the proxy is doing: HTTP on a socket file that only the proxy's user can open. Nothing
 * can be changed over it. What a client does, or leaves undone, costs a connection at most.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { closeServer, pathOf, reply, replyNotFound } from "../http/listen.ts";
import { type Logger, moduleLogger } from "../logging/logger.ts";
import { jsonLines } from "./line-stream.ts";
import { listenOnFile } from "./local-socket.ts";
import type { ProxyView } from "./proxy-view.ts";
import { CONFIG_PATH, ENDPOINTS_PATH, SERVICES_PATH, type ServiceFilter, STATUS_PATH } from "./report.ts";
import { endpointRows, serviceRows } from "./service-rows.ts";
import { reportStatus } from "./status-report.ts";

export interface StatusServerOptions {
  readonly path: string;
  readonly view: ProxyView;
  readonly logger: Logger;
  /** Milliseconds for a client to say what it wants. Default 5,000. */
  readonly requestMs?: number;
}

/** Operators look one at a time; more at once would only keep the proxy busy. */
const MAX_CONNECTIONS = 8;
const REQUEST_MS = 5_000;
/** For a client to take anything of an answer that waits for it. */
const STALLED_MS = 60_000;
const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";

export class StatusServer {
  readonly #options: StatusServerOptions;
  readonly #startedMs = Date.now() - Math.round(process.uptime() * 1000);
  readonly #server: Server;

  constructor(options: StatusServerOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "status-server") };
    const { requestMs = REQUEST_MS } = options;
    // Those who send a byte now and then are found by a look that Node takes every 30 s.
    const limits = { headersTimeout: requestMs, requestTimeout: requestMs };
    this.#server = createServer(limits, (request, response) => {
      request.socket.setTimeout(STALLED_MS);
      void this.#answer(request, response);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.setTimeout(requestMs);
  }

  /** Resolves after the attempt to listen. Without the socket the proxy works as well: a failure is a warning. */
  async start(): Promise<void> {
    const { path, logger } = this.#options;
    try {
      await listenOnFile(this.#server, path);
    } catch (err) {
      logger.warn({ err, path }, "cannot listen on the status socket; the commands will find no proxy");
      return;
    }
    // Refused connections (no descriptors left) must not end the process.
    this.#server.on("error", (err) => logger.error({ err }, "status server failed to accept"));
  }

  /** Cuts every connection and removes the socket file. */
  close(): Promise<void> {
    return closeServer(this.#server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { view, logger } = this.#options;
    response.setHeader("Connection", "close");
    if (request.method !== "GET" && request.method !== "HEAD") {
      reply(response, 405, "text/plain; charset=utf-8", "only GET\n", { Allow: "GET, HEAD" });
      return;
    }
    try {
      switch (pathOf(request.url)) {
        case STATUS_PATH: {
          const report = await reportStatus(view, this.#startedMs, Date.now());
          return reply(response, 200, JSON_TYPE, JSON.stringify(report));
        }
        case CONFIG_PATH:
          return reply(response, 200, JSON_TYPE, JSON.stringify(view.config));
        case SERVICES_PATH:
          return await stream(response, serviceRows(view, filterOf(request.url)));
        case ENDPOINTS_PATH:
          return await stream(response, endpointRows(view, filterOf(request.url)));
        default:
          return replyNotFound(response);
      }
    } catch (err) {
      // A client that left, or was cut off, is no concern of the operator's.
      const level = response.destroyed ? "debug" : "error";
      logger[level]({ err }, "an answer on the status socket was not finished");
      response.destroy();
    }
  }
}

async function stream(response: ServerResponse, rows: Iterable<object>): Promise<void> {
  response.writeHead(200, { "Content-Type": LINES_TYPE });
  await pipeline(Readable.from(jsonLines(rows), { highWaterMark: 1 }), response);
}

function filterOf(url: string | undefined): ServiceFilter {
  const { searchParams } = new URL(url ?? "/", "http://localhost");
  return { namespace: searchParams.get("namespace") ?? "", name: searchParams.get("name") ?? "" };
}
