/**
 * One health-check server per Service with a healthCheckNodePort: cloud load balancers ask it whether this node has
 * ready endpoints of the Service. Each IP family has servers of its own and judges by its own endpoints.
 */
import type { Server, ServerResponse } from "node:http";
import { closeServer, createHttpServer, listen, reply } from "../http/listen.ts";
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { IpFamily, ServiceKey } from "../model/types.ts";

export interface ServiceHealthOptions {
  readonly family: IpFamily;
  /** Node addresses to listen on, asked when a server opens; if it throws, all addresses are used. */
  readonly addresses: () => readonly string[] | "all";
  /** Whether the proxy itself keeps up; the node's eligibility does not count here. */
  readonly isHealthy: () => boolean;
  /** A port cannot be listened on. Told once until it works or another port is asked for; every sync tries again. */
  readonly onListenFailure: (serviceKey: ServiceKey, port: number, error: Error) => void;
  readonly logger: Logger;
}

/** What a Service wants. */
export interface ServiceHealthTarget {
  readonly port: number;
  /** Distinct addresses of ready endpoints on this node, in this family. */
  readonly localEndpoints: number;
}

interface Entry {
  readonly key: ServiceKey;
  readonly port: number;
  localEndpoints: number;
  /** By listening address. */
  readonly servers: Map<string, Server>;
  failureTold: boolean;
}

const ANY_ADDRESS = { IPv4: "0.0.0.0", IPv6: "::" } as const satisfies Record<IpFamily, string>;

export class ServiceHealthServers {
  readonly #options: ServiceHealthOptions;
  readonly #entries = new Map<ServiceKey, Entry>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: ServiceHealthOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "service-health") };
  }

  /**
   * Makes the servers those of `desired`, once earlier calls are through. Servers no longer wanted close first, with
   * their connections; counts of the ones that stay change at once. Never rejects. Call it after a successful sync.
   */
  syncServices(desired: ReadonlyMap<ServiceKey, ServiceHealthTarget>): Promise<void> {
    this.#last = this.#last.then(() => this.#sync(desired));
    return this.#last;
  }

  /** Closes every server. */
  close(): Promise<void> {
    return this.syncServices(new Map());
  }

  async #sync(desired: ReadonlyMap<ServiceKey, ServiceHealthTarget>): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const entry of this.#entries.values()) {
      const target = desired.get(entry.key);
      // A request that has come in just before the close finds no endpoints, so its answer is 503.
      entry.localEndpoints = target?.port === entry.port ? target.localEndpoints : 0;
      if (target?.port === entry.port) continue;
      this.#entries.delete(entry.key);
      closing.push(...[...entry.servers.values()].map(closeServer));
    }
    // The ports given up may be wanted by others right away.
    await Promise.all(closing);
    for (const [key, { port, localEndpoints }] of desired) {
      if (!this.#entries.has(key)) {
        this.#entries.set(key, { key, port, localEndpoints, servers: new Map(), failureTold: false });
      }
    }
    await Promise.all([...this.#entries.values()].map((entry) => this.#open(entry)));
  }

  async #open(entry: Entry): Promise<void> {
    // Addresses are settled when the first server of a Service opens, as upstream does at its start.
    if (entry.servers.size > 0 && !entry.failureTold) return;
    const missing = this.#addresses().filter((address) => !entry.servers.has(address));
    const results = await Promise.all(missing.map((address) => this.#listen(entry, address)));
    const failure = results.find((error) => error !== undefined);
    if (failure === undefined) {
      entry.failureTold = false;
      return;
    }
    const fields = { service: entry.key, port: entry.port, family: this.#options.family, err: failure };
    this.#options.logger[entry.failureTold ? "debug" : "error"](
      fields,
      "Cannot listen for Service health checks",
    );
    if (!entry.failureTold) this.#options.onListenFailure(entry.key, entry.port, failure);
    entry.failureTold = true;
  }

  #addresses(): readonly string[] {
    const { addresses, family, logger } = this.#options;
    try {
      const chosen = addresses();
      if (chosen !== "all") return chosen;
    } catch (err) {
      logger.error({ family, err }, "Cannot list node addresses, health checks listen on all");
    }
    return [ANY_ADDRESS[family]];
  }

  async #listen(entry: Entry, host: string): Promise<Error | undefined> {
    const server = createHttpServer((_request, response) => this.#answer(entry, response));
    try {
      await listen(server, { host, port: entry.port, ipv6Only: this.#options.family === "IPv6" });
    } catch (error) {
      return error as Error;
    }
    server.on("error", (err) =>
      this.#options.logger.error({ service: entry.key, err }, "Health check server failed"),
    );
    entry.servers.set(host, server);
    return undefined;
  }

  #answer({ key, localEndpoints }: Entry, response: ServerResponse): void {
    const healthy = this.#options.isHealthy();
    const [namespace, name] = key.split("/");
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy };
    reply(
      response,
      localEndpoints > 0 && healthy ? 200 : 503,
      "application/json",
      // Upstream prints it indented with tabs, and people read it with curl.
      JSON.stringify(body, null, "\t"),
      { "X-Load-Balancing-Endpoint-Weight": localEndpoints },
    );
  }
}
