/** Requests to the API server: plain node:http(s), JSON, no generated classes. */
import { Agent as HttpAgent, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Credentials } from "./api-credentials.ts";
import { ApiError, errorOfStatus, parseRetryAfter } from "./api-error.ts";
import { exchange, TCP_KEEPALIVE_MS } from "./api-exchange.ts";
import type { KubeConfigOptions } from "./api-kubeconfig.ts";
import { type ApiRequest, nameOf, wrapError } from "./api-request.ts";
import { systemClock } from "./backoff.ts";
import { type RateLimit, TokenBucket } from "./token-bucket.ts";

/** One finished exchange, for metrics. A watch counts when its headers arrive. */
export interface RequestInfo {
  /** HTTP status as text, `<error>` when no answer arrived. */
  readonly code: string;
  readonly method: string;
  /** `host:port` of the server. */
  readonly host: string;
  readonly durationSeconds: number;
}

/** How long a request had to wait for its turn. */
export interface TurnInfo {
  readonly verb: string;
  /** `host:port` of the server. */
  readonly host: string;
  readonly waitedSeconds: number;
}

export interface ApiClientOptions extends KubeConfigOptions {
  readonly userAgent: string;
  /** Requests wait for their turn; without it they go out at once. */
  readonly rateLimit?: RateLimit | undefined;
  /** Called for each request that has got its turn, where there is a limit. */
  readonly onTurn?: (info: TurnInfo) => void;
  readonly onRequest?: (info: RequestInfo) => void;
  /** Milliseconds since the epoch; ages the cached token. */
  readonly now?: () => number;
  /** How long credentials, connecting and waiting for headers may take each. Default 60 s, a server's own limit. */
  readonly responseTimeoutMs?: number;
}

const RESPONSE_TIMEOUT_MS = 60_000;
// An error's body is read for its message only.
const MAX_ERROR_BODY = 65_536;
// Each chunk is a trip to another thread and back. Node's 16 KiB make a list of 70 MB wait 4,000 times; more than this
// brings nothing but memory.
const GUNZIP_CHUNK_BYTES = 65_536;

/** A client of one API server, with keep-alive connections. */
export class ApiClient {
  readonly #credentials: Credentials;
  readonly #options: ApiClientOptions;
  readonly #bucket: TokenBucket | undefined;
  readonly #agents = {
    "http:": new HttpAgent({ keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MS }),
    "https:": new HttpsAgent({ keepAlive: true, keepAliveMsecs: TCP_KEEPALIVE_MS }),
  };

  private constructor(options: ApiClientOptions, credentials: Credentials) {
    this.#options = options;
    this.#credentials = credentials;
    this.#bucket = options.rateLimit && new TokenBucket(options.rateLimit, systemClock);
  }

  /** Loads the client configuration without connecting. Rejects when it is unusable, naming the source and why. */
  static async create(options: ApiClientOptions): Promise<ApiClient> {
    return new ApiClient(options, await Credentials.load(options, options.now ?? Date.now));
  }

  /** URL of the server. */
  get server(): string {
    return this.#credentials.server.href;
  }

  /** Sends a request and parses the whole answer. Rejects with an ApiError. */
  async json(request: ApiRequest): Promise<unknown> {
    const text = await readText(await this.open(request), Number.POSITIVE_INFINITY, request);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new ApiError("API_MALFORMED", `${nameOf(request)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /**
   * Sends a request and returns the JSON answer's body as it arrives. The caller reads it to its end or destroys it;
   * it fails with an ApiError when the connection breaks or falls silent. Rejects with an ApiError unless 2xx.
   */
  async open(request: ApiRequest): Promise<Readable> {
    const response = await this.#send(request);
    const status = response.statusCode ?? 0;
    const body = decompress(response);
    const type = response.headers["content-type"] ?? "";
    const isJson = /^application\/json\b/.test(type);
    if (isJson && status >= 200 && status <= 299) return body;

    if (status === 401) this.#credentials.invalidate();
    const retryAfterMs = parseRetryAfter(response.headers["retry-after"], Date.now());
    const text = await readText(body, MAX_ERROR_BODY, request);
    if (isJson) throw errorOfStatus(nameOf(request), tryParse(text), { status, retryAfterMs });
    const start = JSON.stringify(text.slice(0, 80));
    throw new ApiError(
      "API_NOT_JSON",
      `${nameOf(request)}: status ${status} with ${type || "no content type"} instead of JSON: ${start}`,
      { status, retryAfterMs, expired: status === 410 },
    );
  }

  /** Closes every idle connection. Requests under way are their callers' to abort. */
  close(): void {
    this.#agents["http:"].destroy();
    this.#agents["https:"].destroy();
  }

  async #send(request: ApiRequest): Promise<IncomingMessage> {
    request.signal.throwIfAborted();
    await this.#waitForTurn(request);
    const started = performance.now();
    const finish = (code: string): void =>
      this.#options.onRequest?.({
        code,
        method: request.method ?? "GET",
        host: hostOf(this.#credentials.server),
        durationSeconds: (performance.now() - started) / 1000,
      });
    try {
      const response = await exchange(
        request,
        this.#target(request, await this.#resolveCredentials(request)),
      );
      finish(String(response.statusCode));
      return response;
    } catch (error) {
      finish("<error>");
      throw wrapError(request, error);
    }
  }

  async #waitForTurn(request: ApiRequest): Promise<void> {
    if (this.#bucket === undefined) return;
    const waitedMs = await this.#bucket.take(request.signal).catch(() => {
      throw wrapError(request, request.signal.reason);
    });
    this.#options.onTurn?.({
      verb: request.method ?? "GET",
      host: hostOf(this.#credentials.server),
      waitedSeconds: waitedMs / 1000,
    });
  }

  async #resolveCredentials(request: ApiRequest): Promise<RequestOptions> {
    const timeout = AbortSignal.timeout(this.#responseTimeoutMs);
    try {
      return await abortable(this.#credentials.resolve(), AbortSignal.any([request.signal, timeout]));
    } catch (error) {
      this.#credentials.invalidate();
      throw new ApiError("API_CREDENTIALS", `credentials: ${(error as Error).message.trim()}`, {
        cause: error,
      });
    }
  }

  get #responseTimeoutMs(): number {
    return this.#options.responseTimeoutMs ?? RESPONSE_TIMEOUT_MS;
  }

  #target(request: ApiRequest, credentials: RequestOptions): RequestOptions {
    const { server, compression } = this.#credentials;
    const query = new URLSearchParams(request.query).toString();
    return {
      agent: this.#agents[server.protocol as "http:" | "https:"],
      ...credentials,
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[|\]$/g, ""),
      port: server.port,
      timeout: this.#responseTimeoutMs,
      method: request.method ?? "GET",
      path: server.pathname.replace(/\/$/, "") + request.path + (query && `?${query}`),
      headers: {
        ...credentials.headers,
        "User-Agent": this.#options.userAgent,
        Accept: "application/json",
        ...(request.gzip && compression && { "Accept-Encoding": "gzip" }),
        ...(request.body !== undefined && {
          "Content-Type": request.method === "PATCH" ? "application/merge-patch+json" : "application/json",
        }),
      },
    };
  }
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function decompress(response: IncomingMessage): Readable {
  if (response.headers["content-encoding"] !== "gzip") return response;
  // Errors travel with the stream; the callback only keeps pipeline from throwing them.
  return pipeline(response, createGunzip({ chunkSize: GUNZIP_CHUNK_BYTES }), () => {});
}

async function readText(body: Readable, maxBytes: number, request: ApiRequest): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxBytes) break;
    }
  } catch (error) {
    throw wrapError(request, error);
  }
  return Buffer.concat(chunks).toString();
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hostOf(server: URL): string {
  return `${server.hostname}:${server.port || (server.protocol === "https:" ? 443 : 80)}`;
}
