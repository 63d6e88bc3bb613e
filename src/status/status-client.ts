/** Asks the running proxy over its socket file. */
import { type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";
import type { ProxyConfig } from "../config/proxy-config.ts";
import {
  CONFIG_PATH,
  ENDPOINTS_PATH,
  type EndpointRow,
  SERVICES_PATH,
  type ServiceFilter,
  type ServiceRow,
  STATUS_PATH,
  type StatusReport,
} from "./report.ts";

/** Nobody can be asked, or no answer came. The message says what to do about it. */
export class NoProxyError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "NoProxyError";
  }
}

/** Longest silence of the proxy: a full pass over a big cluster keeps it busy for seconds. */
const SILENCE_MS = 30_000;

/** Every method rejects with a NoProxyError. */
export class StatusClient {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async status(): Promise<StatusReport> {
    return JSON.parse(await this.#ask(STATUS_PATH)) as StatusReport;
  }

  async config(): Promise<ProxyConfig> {
    return JSON.parse(await this.#ask(CONFIG_PATH)) as ProxyConfig;
  }

  services(filter: ServiceFilter): Promise<readonly ServiceRow[]> {
    return this.#rows<ServiceRow>(SERVICES_PATH, filter);
  }

  endpoints(filter: ServiceFilter): Promise<readonly EndpointRow[]> {
    return this.#rows<EndpointRow>(ENDPOINTS_PATH, filter);
  }

  /** Taken as fast as they come: a reader of ours who takes his time must not keep the proxy waiting. */
  async #rows<Row>(path: string, { namespace, name }: ServiceFilter): Promise<readonly Row[]> {
    const text = await this.#ask(`${path}?${new URLSearchParams({ namespace, name })}`);
    return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Row]));
  }

  async #ask(path: string): Promise<string> {
    if (this.#path === "") throw new NoProxyError("the proxy has no status socket: --status-socket is empty");
    try {
      const response = await this.#get(path);
      const text = (await buffer(response)).toString("utf8");
      if (response.statusCode !== 200)
        throw new Error(`${path}: answered ${response.statusCode}: is it a proxy of another version?`);
      return text;
    } catch (cause) {
      throw new NoProxyError(this.#explain(cause as NodeJS.ErrnoException), { cause });
    }
  }

  #get(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.#path, path, timeout: SILENCE_MS }, resolve);
      sent.on("error", reject);
      sent.on("timeout", () => sent.destroy(new Error(`no answer for ${SILENCE_MS / 1000} s`)));
      sent.end();
    });
  }

  #explain({ code, message }: NodeJS.ErrnoException): string {
    const socket = this.#path;
    switch (code) {
      case "ENOENT":
      case "ECONNREFUSED":
        return `no proxy runs here, or it has another --status-socket than ${socket} (${code})`;
      case "EACCES":
      case "EPERM":
        return `not allowed to ask the proxy on ${socket}: run this as the proxy's user, mostly root (${code})`;
      default:
        return `the proxy on ${socket} did not answer: ${message}`;
    }
  }
}
