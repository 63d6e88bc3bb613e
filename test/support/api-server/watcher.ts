/** One client's watch on the test server. */
import type { ServerResponse } from "node:http";
import { statusObject } from "./faults.ts";
import type { Target } from "./resources.ts";
import type { Matcher } from "./selectors.ts";
import type { Change, Store } from "./store.ts";
import { apiVersionOf, objectText } from "./wire.ts";

export interface WatcherOptions {
  readonly target: Target;
  readonly matches: Matcher;
  readonly bookmarkMs: number;
  readonly timeoutMs: number;
}

/** Writes events to a response until told to stop; also the place where live watches are damaged. */
export class Watcher {
  readonly target: Target;
  readonly #store: Store;
  readonly #response: ServerResponse;
  readonly #options: WatcherOptions;
  readonly #stops: (() => void)[] = [];
  #silent = false;
  #cutNext = false;

  constructor(store: Store, response: ServerResponse, options: WatcherOptions) {
    this.target = options.target;
    this.#store = store;
    this.#response = response;
    this.#options = options;
  }

  /** Sends headers and what happened since, then follows the store. */
  start(changes: readonly Change[], onEnd: () => void): void {
    const { target, bookmarkMs, timeoutMs } = this.#options;
    this.#response.writeHead(200, { "Content-Type": "application/json" });
    this.#response.flushHeaders();
    for (const change of changes) this.#offer(change);
    const bookmarks = bookmarkMs > 0 ? setInterval(() => this.bookmark(), bookmarkMs) : undefined;
    const timeout = setTimeout(() => this.end(), timeoutMs);
    this.#stops.push(
      this.#store.subscribe(target.resource.name, (change) => this.#offer(change)),
      () => clearInterval(bookmarks),
      () => clearTimeout(timeout),
    );
    this.#response.on("close", () => {
      for (const stop of this.#stops) stop();
      onEnd();
    });
  }

  /** Ends as on timeout. */
  end(): void {
    this.#silent = true;
    this.#response.end();
  }

  /** Breaks the connection. */
  drop(): void {
    this.#response.destroy();
  }

  /** Keeps the connection and says nothing more. */
  silence(): void {
    this.#silent = true;
  }

  /** The next event is cut in half and the connection broken. */
  cutNext(): void {
    this.#cutNext = true;
  }

  /** Sends an ERROR event and ends. */
  fail(code: number, message: string): void {
    this.raw(`${JSON.stringify({ type: "ERROR", object: statusObject(code, message) })}\n`);
    this.end();
  }

  /** Sends any bytes. */
  raw(text: string): void {
    this.#response.write(text);
  }

  #offer({ stored, previous, deleted }: Change): void {
    const { matches, target } = this.#options;
    // An object that stops matching is gone for this client, one that starts to is new.
    const was = previous !== undefined && matches(previous.object);
    const is = !deleted && matches(stored.object);
    if (!was && !is) return;
    const type = is ? (was ? "MODIFIED" : "ADDED") : "DELETED";
    this.#send(`{"type":"${type}","object":${objectText(target, stored)}}\n`);
  }

  /** Tells the present version. */
  bookmark(): void {
    const { target } = this.#options;
    const metadata = { resourceVersion: String(this.#store.version), creationTimestamp: null };
    const object = { kind: target.resource.kind, apiVersion: apiVersionOf(target), metadata };
    this.#send(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  #send(line: string): void {
    if (this.#silent) return;
    if (!this.#cutNext) {
      this.#response.write(line);
      return;
    }
    this.#silent = true;
    this.#response.write(line.slice(0, line.length / 2), () => this.drop());
  }
}
