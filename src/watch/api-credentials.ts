/** TLS options and headers for each request, from sources that change while we run. */
import { readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import type { KubeConfigOptions, LoadedKubeConfig } from "./api-kubeconfig.ts";

// As client-go: a rotated token is valid well before the old one expires, so a minute is soon enough.
const TOKEN_TTL_MS = 60_000;

/** Says for each request how to connect and who we are. */
export class Credentials {
  readonly #options: KubeConfigOptions;
  readonly #now: () => number;
  readonly #load: (options: KubeConfigOptions) => LoadedKubeConfig;
  #loaded: LoadedKubeConfig;
  #stale = false;
  #pending: Promise<RequestOptions> | undefined;
  #token = "";
  #tokenReadAt = Number.NEGATIVE_INFINITY;

  private constructor(
    options: KubeConfigOptions,
    now: () => number,
    load: (options: KubeConfigOptions) => LoadedKubeConfig,
  ) {
    this.#options = options;
    this.#now = now;
    this.#load = load;
    this.#loaded = load(options);
  }

  /** Loads the configuration. Rejects with an Error that names the source and what is wrong with it. */
  static async load(options: KubeConfigOptions, now: () => number): Promise<Credentials> {
    const { loadKubeConfig } = await import("./api-kubeconfig.ts");
    return new Credentials(options, now, loadKubeConfig);
  }

  get server(): URL {
    return this.#loaded.server;
  }

  /** Whether compressed answers are wanted from this server. */
  get compression(): boolean {
    return this.#loaded.compression;
  }

  /**
   * TLS options, headers and, for a cluster behind a proxy, the agent of one request. Certificate files are read
   * anew each time, an exec plugin runs when its last answer has expired, a token file is read once a minute.
   */
  resolve(): Promise<RequestOptions> {
    // Requests that start together share one answer, so that an exec plugin runs once.
    this.#pending ??= this.#resolve().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #resolve(): Promise<RequestOptions> {
    if (this.#stale) this.#reload();
    const { config, tokenFile } = this.#loaded;
    const request: RequestOptions = {};
    await config.applyToHTTPSOptions(request);
    if (tokenFile !== "") {
      request.headers = { ...request.headers, Authorization: `Bearer ${await this.#readToken(tokenFile)}` };
    }
    if (!config.getCurrentCluster()?.proxyUrl) delete request.agent;
    return request;
  }

  /** The server refused us, or we got no answer: the next request starts afresh, without anything cached. */
  invalidate(): void {
    this.#stale = true;
    this.#pending = undefined;
    this.#tokenReadAt = Number.NEGATIVE_INFINITY;
  }

  #reload(): void {
    // Also forgets what an exec plugin said. A file caught while it is being replaced throws; the caller retries.
    this.#loaded = this.#load(this.#options);
    this.#stale = false;
  }

  async #readToken(file: string): Promise<string> {
    if (this.#now() - this.#tokenReadAt < TOKEN_TTL_MS) return this.#token;
    this.#token = (await readFile(file, "utf8")).trim();
    this.#tokenReadAt = this.#now();
    return this.#token;
  }
}
