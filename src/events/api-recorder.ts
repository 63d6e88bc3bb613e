/** Delivers events to the API server, sparingly. */
import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { ApiClient } from "../watch/api-client.ts";
import { ApiError } from "../watch/api-error.ts";
import { Backoff, type Clock, systemClock } from "../watch/backoff.ts";
import { eventName, eventNamespace, eventObject, seriesPatch } from "./event-object.ts";
import type { EventRecorder, ProxyEvent } from "./recorder.ts";
import { SpamFilter } from "./spam-filter.ts";

export interface ApiEventRecorderOptions {
  readonly client: ApiClient;
  /** Reporting instance: the node's name. */
  readonly nodeName: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** An event known by what it says; told again, it only counts. */
interface Series {
  readonly event: ProxyEvent;
  /** Name of the Event object; empty until it has been created. */
  name: string;
  count: number;
  lastAt: Date;
  queued: boolean;
}

// Remembered series, and the longest queue.
const MAX_SERIES = 512;
const MAX_ATTEMPTS = 5;
const FLUSH_MS = 1_000;

/**
 * Posts events.k8s.io/v1 Events, one request at a time, and counts repeats of an event in its series. What exceeds
 * the budget of an object, or cannot be delivered after some attempts, is dropped: an event is never worth the proxy.
 */
export class ApiEventRecorder implements EventRecorder {
  readonly #options: ApiEventRecorderOptions;
  readonly #clock: Clock;
  readonly #filter: SpamFilter;
  readonly #series = new Map<string, Series>();
  readonly #queue: Series[] = [];
  readonly #stopping = new AbortController();
  #worker: Promise<void> | undefined;
  #dropped = 0;
  #failing = false;

  constructor(options: ApiEventRecorderOptions) {
    this.#options = { ...options, logger: moduleLogger(options.logger, "api-recorder") };
    this.#clock = options.clock ?? systemClock;
    this.#filter = new SpamFilter(() => this.#clock.now());
  }

  record(event: ProxyEvent): void {
    if (this.#stopping.signal.aborted) return;
    const series = this.#remember(event);
    series.count++;
    series.lastAt = new Date();
    // A repeat that is held back still counts: the next one let through carries the number.
    if (series.queued) return;
    if (this.#queue.length >= MAX_SERIES) this.#drop("the queue is full");
    else if (!this.#filter.admit(objectKey(event))) this.#drop("too many events about one object");
    else this.#enqueue(series);
  }

  async stop(): Promise<void> {
    if (this.#worker !== undefined) {
      const cut = new AbortController();
      await Promise.race([this.#worker, this.#clock.sleep(FLUSH_MS, cut.signal).catch(() => {})]);
      cut.abort();
    }
    this.#stopping.abort();
    await this.#worker;
  }

  #enqueue(series: Series): void {
    series.queued = true;
    this.#queue.push(series);
    this.#worker ??= this.#deliverAll();
  }

  /** Finds or starts the series, and forgets the one that was quiet longest when there are too many. */
  #remember(event: ProxyEvent): Series {
    const key = JSON.stringify([objectKey(event), event.type, event.reason, event.action, event.note]);
    const series = this.#series.get(key) ?? { event, name: "", count: 0, lastAt: new Date(), queued: false };
    this.#series.delete(key);
    this.#series.set(key, series);
    if (this.#series.size > MAX_SERIES) {
      this.#series.delete(this.#series.keys().next().value ?? "");
    }
    return series;
  }

  async #deliverAll(): Promise<void> {
    for (let series = this.#queue.shift(); series !== undefined; series = this.#queue.shift()) {
      series.queued = false;
      await this.#deliver(series);
    }
    this.#worker = undefined;
  }

  async #deliver(series: Series): Promise<void> {
    const { logger, random } = this.#options;
    const backoff = new Backoff({ now: () => this.#clock.now(), random: random ?? Math.random });
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#send(series);
        this.#failing = false;
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (attempt === MAX_ATTEMPTS || !isTransient(error)) {
          const level = this.#failing ? "debug" : "warn";
          logger[level](
            { reason: series.event.reason, error: (error as Error).message },
            "event not delivered",
          );
          this.#failing = true;
          this.#drop("not delivered");
          return;
        }
        const waitMs = Math.max(backoff.next(), error instanceof ApiError ? error.retryAfterMs : 0);
        await this.#clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }

  async #send(series: Series): Promise<void> {
    const { client, nodeName } = this.#options;
    const { event, count, lastAt } = series;
    const folder = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(eventNamespace(event))}/events`;
    const { signal } = this.#stopping;
    if (series.name !== "") {
      try {
        await client.json({
          method: "PATCH",
          path: `${folder}/${series.name}`,
          body: seriesPatch(count, lastAt),
          signal,
        });
        return;
      } catch (error) {
        // Events expire, after an hour by default; the series then begins anew.
        if (!(error instanceof ApiError) || error.status !== 404) throw error;
        series.name = "";
        series.count = 1;
      }
    }
    const suffix = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6)).toString(16);
    const name = eventName(event, suffix);
    await client.json({
      method: "POST",
      path: folder,
      body: eventObject(event, name, nodeName, lastAt),
      signal,
    });
    series.name = name;
  }

  #drop(reason: string): void {
    this.#dropped++;
    this.#options.logger.debug({ reason, dropped: this.#dropped }, "event dropped");
  }
}

function objectKey({ regarding }: ProxyEvent): string {
  return JSON.stringify([regarding.kind, regarding.namespace, regarding.name]);
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status === 0 || error.status === 401 || error.status === 429 || error.status >= 500;
}
