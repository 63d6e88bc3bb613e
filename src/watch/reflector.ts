/** Keeps a sink in step with one kind of object on the API server, whatever the server or the network do. */
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { listAll } from "./api-list.ts";
import { type ApiResource, keyOf } from "./api-resources.ts";
import { readWatch, type WatchEvent } from "./api-watch.ts";
import { Backoff, type Clock } from "./backoff.ts";
import type { Kind, SourceSink } from "./source.ts";

export interface ReflectorOptions {
  readonly client: ApiClient;
  /** Ways to get the kind, best first. */
  readonly resources: readonly ApiResource[];
  readonly sink: SourceSink;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly pageSize: number;
  /** See {@link ApiSourceOptions.idleTimeoutMs}. */
  readonly idleTimeoutMs: number;
}

// client-go's choice: 5 to 10 minutes, so that watches spread over the servers again after one was restarted.
const MIN_WATCH_SECONDS = 300;
// A server that neither sends nor ends a watch this long after its own deadline is not there any more.
const WATCH_GRACE_MS = 30_000;
// client-go's too: a watch that ends sooner without an event is a fault, or we would ask again at full speed.
const SHORT_WATCH_MS = 1_000;
// An event that cannot be read is asked for again; if it stays unreadable only a list gets past it.
const MAX_MALFORMED = 3;
// A cluster gets a new API, or an account new rights, when it is upgraded; nobody waits for it.
const ABSENT_RETRY_MS = 300_000;

/** Lists, watches, and starts again where it was, for ever. */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #backoff: Backoff;
  readonly #synced = new Set<Kind>();
  #resources: readonly ApiResource[];
  #resource: ApiResource;
  /** Where the next watch starts; undefined = list first. */
  #version: string | undefined;
  #idleMs: number;
  #malformed = 0;
  /** What was last said about the connection: "" = all is well. */
  #complaint = "";
  #trouble: string | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "reflector") };
    this.#backoff = new Backoff({ now: () => options.clock.now(), random: options.random });
    this.#idleMs = options.idleTimeoutMs;
    this.#resources = options.resources;
    this.#resource = firstOf(options.resources);
  }

  /** Why the kind cannot be followed just now, in words; undefined when it can, and where nobody needs it. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) this.#version = await this.#list(signal);
        await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = this.#recover(error);
        if (waitMs > 0) await this.#options.clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }

  /** The first list may be as old as the server's cache; a later one must not take us back in time. */
  async #list(signal: AbortSignal): Promise<string> {
    const { client, sink, logger, pageSize, idleTimeoutMs } = this.#options;
    const resource = this.#resource;
    const { kind } = resource;
    const { version, keys } = await listAll(client, resource, {
      resourceVersion: this.#synced.has(kind) ? "" : "0",
      pageSize,
      idleTimeoutMs,
      signal,
      onItem: (object) => sink.upsert(kind, object),
    });
    sink.retain(kind, keys);
    // After a change of API (the server was upgraded, or put back) what the other kind said no longer holds.
    for (const other of this.#synced) if (other !== kind) sink.retain(other, new Set());
    if (!this.#synced.has(kind)) {
      this.#synced.add(kind);
      sink.synced(kind);
    }
    logger.info({ kind, objects: keys.size, version, path: resource.path }, "listed");
    this.#complaint = "";
    this.#trouble = undefined;
    return version;
  }

  async #watch(version: string, signal: AbortSignal): Promise<void> {
    const { client, clock, random } = this.#options;
    const { path, selectors } = this.#resource;
    const timeoutSeconds = Math.round(MIN_WATCH_SECONDS * (1 + random()));
    const body = await client.open({
      path,
      query: {
        ...selectors,
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion: version,
        timeoutSeconds: String(timeoutSeconds),
      },
      idleTimeoutMs: Math.min(this.#idleMs, timeoutSeconds * 1000 + WATCH_GRACE_MS),
      signal,
    });
    this.#connected();
    const openedAt = clock.now();
    let events = 0;
    try {
      await readWatch(body, path, (event) => {
        events++;
        this.#deliver(event);
      });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "API_SILENT") throw error;
      return this.#silent();
    }
    if (events === 0 && clock.now() - openedAt < SHORT_WATCH_MS) {
      throw new ApiError("API_UNREACHABLE", `watch ${path}: ended at once`);
    }
  }

  #deliver({ type, object, version }: WatchEvent): void {
    const { sink, idleTimeoutMs } = this.#options;
    const { kind } = this.#resource;
    if (type === "DELETED") {
      const key = keyOf(kind, object);
      if (key !== undefined) sink.delete(kind, key);
    } else if (type !== "BOOKMARK") {
      sink.upsert(kind, object);
    }
    if (version !== "") this.#version = version;
    this.#idleMs = idleTimeoutMs;
    this.#malformed = 0;
  }

  /** A quiet watch is opened again without delay, and given twice the time if it has nothing to say again. */
  #silent(): void {
    const { logger } = this.#options;
    logger.debug({ kind: this.#resource.kind, silentMs: this.#idleMs }, "watch is silent, opening it again");
    this.#idleMs = Math.min(this.#idleMs * 2, 2 * MIN_WATCH_SECONDS * 1000);
  }

  #connected(): void {
    if (this.#complaint !== "")
      this.#options.logger.info({ kind: this.#resource.kind }, "watch connected again");
    this.#complaint = "";
    this.#trouble = undefined;
  }

  /** Decides what to do next after a failure; returns the milliseconds to wait before it. */
  #recover(error: unknown): number {
    const failure =
      error instanceof ApiError ? error : new ApiError("API_MALFORMED", String(error), { cause: error });
    const listing = this.#version === undefined;
    if (failure.status === 404 && this.#nextResource()) return 0;
    if (failure.status === 400 && this.#dropFieldSelector()) return 0;
    if (failure.code === "API_MALFORMED") this.#malformed++;
    if (!listing && this.#mustRelist(failure)) this.#version = undefined;
    const isAbsent = this.#resource.optional === true && [403, 404].includes(failure.status);
    const waitMs = isAbsent
      ? this.#goOnWithout(failure)
      : Math.max(this.#backoff.next(), failure.retryAfterMs);
    this.#complain(failure, waitMs);
    return waitMs;
  }

  /** The server does not have the resource (any more), or not for us. */
  #goOnWithout({ status }: ApiError): number {
    const { sink, random } = this.#options;
    this.#version = undefined;
    if (status === 404) sink.retain(this.#resource.kind, new Set());
    return ABSENT_RETRY_MS * (1 + random());
  }

  /**
   * A watch that only lost its connection, or that the server could not take on just now, goes on where it was.
   * Anything else the server says against it (expired version, bad request, failure inside the stream) needs a list.
   */
  #mustRelist(failure: ApiError): boolean {
    if (failure.expired) return true;
    if (failure.code === "API_MALFORMED") return this.#malformed >= MAX_MALFORMED;
    if (failure.code !== "API_STATUS") return false;
    return failure.inStream || (![401, 403, 429].includes(failure.status) && failure.status < 500);
  }

  /** Moves on to the next way of getting the kind; false when all have been tried in this round. */
  #nextResource(): boolean {
    const { logger } = this.#options;
    const level = this.#complaint === "" ? "info" : "debug";
    const next = this.#resources.indexOf(this.#resource) + 1;
    this.#version = undefined;
    this.#resource = this.#resources[next] ?? firstOf(this.#resources);
    if (next >= this.#resources.length) return false;
    logger[level]({ path: this.#resource.path }, "the server does not have the API, trying an older one");
    return true;
  }

  /** Older servers refuse the Services' field selector; what it would have kept out is passed over by the sink. */
  #dropFieldSelector(): boolean {
    const { kind, path, selectors } = this.#resource;
    const { fieldSelector, ...rest } = selectors;
    if (kind !== "Service" || fieldSelector === undefined) return false;
    this.#options.logger.info(
      { kind, fieldSelector },
      "the server refuses the field selector, going on without",
    );
    this.#resource = { kind, path, selectors: rest };
    this.#resources = [this.#resource];
    return true;
  }

  /** One line when something goes wrong or goes wrong differently, not one for each attempt. */
  #complain(failure: ApiError, waitMs: number): void {
    const { logger, sink } = this.#options;
    const { kind } = this.#resource;
    if (!this.#synced.has(kind)) sink.unavailable?.(kind, failure.inShort);
    const fields = { kind, error: failure.message, retryMs: Math.round(waitMs) };
    const complaint = `${failure.code} ${failure.status}`;
    if (complaint === this.#complaint) logger.debug(fields, "API server still fails");
    else if (this.#resource.optional && failure.status === 404)
      logger.info(fields, "the server does not have the API, going on without");
    else if (failure.expired) logger.info(fields, "watch expired, listing again");
    else logger.warn(fields, COMPLAINTS[failure.status] ?? "lost the API server; rules stay as they are");
    this.#complaint = complaint;
    const isTrouble = this.#resource.optional !== true && !failure.expired;
    this.#trouble = isTrouble ? `${this.#resource.kind}: ${failure.message}` : undefined;
  }
}

const COMPLAINTS: Readonly<Record<number, string>> = {
  401: "the API server does not accept our credentials (401)",
  403: "the API server forbids us to list or watch (403); check the role binding of the proxy's user",
};

function firstOf(resources: readonly ApiResource[]): ApiResource {
  const [first] = resources;
  if (first === undefined) throw new RangeError("a reflector needs a resource");
  return first;
}
