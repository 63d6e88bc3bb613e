/** An HTTP server that keeps trying to get its port. */
import type { RequestListener, Server } from "node:http";
import type { Logger } from "../logging/logger.ts";
import { closeServer, createHttpServer, type ListenTarget, listen } from "./listen.ts";

export interface RetryingServerOptions {
  /** For log lines, e.g. `healthz`. */
  readonly name: string;
  readonly listen: ListenTarget;
  /** Make `start` reject when the port cannot be had, instead of trying again. */
  readonly hardFail: boolean;
  readonly logger: Logger;
  /** Milliseconds between attempts. Default 5,000. */
  readonly retryMs?: number;
}

export class RetryingServer {
  readonly #options: RetryingServerOptions;
  readonly #handler: RequestListener;
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt: Promise<void> | undefined;
  #port: number | undefined;
  #closed = false;

  constructor(options: RetryingServerOptions, handler: RequestListener) {
    this.#options = options;
    this.#handler = handler;
  }

  /** The port it listens on; undefined while it does not. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Resolves after the first attempt to listen; rejects with the system's error only under `hardFail`. */
  start(): Promise<void> {
    return this.#try();
  }

  /** Gives up the port and cuts every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#attempt?.catch(() => undefined);
    if (this.#server !== undefined) await closeServer(this.#server);
    this.#port = undefined;
  }

  #try(): Promise<void> {
    this.#attempt = this.#listen();
    return this.#attempt;
  }

  async #listen(): Promise<void> {
    const { name, listen: target, hardFail, logger, retryMs = 5_000 } = this.#options;
    const server = createHttpServer(this.#handler);
    try {
      this.#port = await listen(server, target);
    } catch (error) {
      if (hardFail) throw error;
      logger.error({ ...target, retryMs, err: error }, `Cannot listen for ${name}, trying again`);
      if (!this.#closed) this.#timer = setTimeout(() => void this.#try(), retryMs);
      return;
    }
    this.#server = server;
    // Refused connections (no descriptors left) must not end the process.
    server.on("error", (err) => logger.error({ err }, `${name} server failed to accept`));
    logger.info({ host: target.host, port: this.#port }, `Listening for ${name}`);
  }
}
