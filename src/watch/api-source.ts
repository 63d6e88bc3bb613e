/** The API server as a source of Services, their endpoints, our Node and the ranges of cluster IPs. */
import type { Logger } from "../logging/logger.ts";
import type { ApiClient } from "./api-client.ts";
import { ENDPOINTS, nodeResource, SERVICE_CIDRS, SERVICES } from "./api-resources.ts";
import { type Clock, systemClock } from "./backoff.ts";
import { Reflector } from "./reflector.ts";
import type { Source, SourceSink } from "./source.ts";

export interface ApiSourceOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  /** Also deliver ServiceCIDRs, where the server has them. */
  readonly serviceCIDRs: boolean;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** Objects asked for at a time. Default 500. */
  readonly pageSize?: number;
  /**
   * How long a watch may say nothing before it is opened again from where it was. Default 90 s.
   *
   * HTTP/1.1 has no ping. TCP keepalive notices a vanished peer within 40 s, but not a load balancer that keeps our
   * connection up after losing its own. Servers send a bookmark about once a minute (jittered to 75 s), so 90 s of
   * silence is suspicious; since some servers have no bookmark to send while nothing changes, each further silence
   * doubles the time, up to the watch's own timeout, and any event puts it back.
   */
  readonly idleTimeoutMs?: number;
}

const PAGE_SIZE = 500;
const IDLE_TIMEOUT_MS = 90_000;

/**
 * Lists and watches until stopped. A server without EndpointSlices delivers (and reports as synced) `Endpoints`
 * instead of `EndpointSlice`. The client belongs to the caller, who closes it.
 */
export class ApiSource implements Source {
  readonly #options: ApiSourceOptions;
  readonly #stopping = new AbortController();
  #reflectors: readonly Reflector[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: ApiSourceOptions) {
    this.#options = options;
  }

  async start(sink: SourceSink): Promise<void> {
    const { client, nodeName, serviceCIDRs, logger, clock, random, pageSize, idleTimeoutMs } = this.#options;
    const wanted = [SERVICES, ENDPOINTS, nodeResource(nodeName), ...(serviceCIDRs ? [SERVICE_CIDRS] : [])];
    this.#reflectors = wanted.map(
      (resources) =>
        new Reflector({
          client,
          resources,
          sink,
          logger,
          clock: clock ?? systemClock,
          random: random ?? Math.random,
          pageSize: pageSize ?? PAGE_SIZE,
          idleTimeoutMs: idleTimeoutMs ?? IDLE_TIMEOUT_MS,
        }),
    );
    this.#running = Promise.all(this.#reflectors.map((reflector) => reflector.run(this.#stopping.signal)));
  }

  trouble(): readonly string[] {
    return this.#reflectors.flatMap(({ trouble }) => trouble ?? []);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }
}
