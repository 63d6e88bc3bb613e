/** The relay as its owner sees it: a handle on the worker thread that carries the traffic. */
import { once } from "node:events";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { EFD_SEMAPHORE, O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import * as libc from "./libc.ts";
import type { Answer, RejectedPort, Request } from "./messages.ts";
import { checked } from "./relay-error.ts";
import { completeSettings, type PartialSettings } from "./settings.ts";
import { splitChanges } from "./split-changes.ts";
import type { FailureBatch, ListenerOptions, RelayChanges, RelayStats } from "./types.ts";
import type { RelayWorkerData } from "./worker.ts";

export interface RelayOptions extends PartialSettings {
  readonly listeners: readonly ListenerOptions[];
  /** The file that the worker runs, or its text: `worker.ts` beside this one unless the program is bundled. */
  readonly workerFile?: URL | string;
  /** Clients that were not served, at most once a second. */
  readonly onFailures?: (batch: FailureBatch) => void;
  /** An error inside the relay that cost one connection, for the log. */
  readonly onInternalError?: (message: string) => void;
  /** The worker has died: all its sockets are closed, nobody is served any more. */
  readonly onDeath?: (error: Error) => void;
}

const YOUNG_GENERATION_MB = 2;

interface Pending {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** Neither the worker nor its port keeps the process alive, except while something is awaited from it. */
export class Relay {
  /** The ports that listen, in the order of the listeners. */
  ports: readonly number[] = [];
  /** How many descriptors the process may have. */
  descriptors = 0;
  readonly #options: RelayOptions;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wakeUp: number;
  readonly #one = libc.allocate(8);
  readonly #exiting = new Int32Array(new SharedArrayBuffer(4));
  readonly #pending = new Map<number, Pending>();
  readonly #onExit = (): void => {
    Atomics.store(this.#exiting, 0, 1);
    this.#wake();
  };
  #lastId = 0;
  #isStopping = false;
  #isOver = false;

  /** Starts the worker and waits until it listens. Rejects with an Error that says which socket failed, and how. */
  static async start(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    const answer = await relay.#expect(0);
    if (answer.type === "started") {
      relay.ports = answer.ports;
      relay.descriptors = answer.descriptors;
    }
    return relay;
  }

  private constructor(options: RelayOptions) {
    this.#options = options;
    this.#wakeUp = checked("create eventfd", libc.eventfd(EFD_SEMAPHORE | O_NONBLOCK | O_CLOEXEC));
    this.#one.bytes.writeBigUInt64LE(1n);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const data: RelayWorkerData = {
      start: {
        listeners: options.listeners,
        settings: completeSettings(settingsOf(options)),
        wakeUp: this.#wakeUp,
        exiting: this.#exiting,
      },
      port: port2,
    };
    const file = options.workerFile ?? new URL("./worker.ts", import.meta.url);
    this.#worker = new Worker(file, {
      eval: typeof file === "string",
      workerData: data,
      transferList: [port2],
      // Its descriptors come from system calls of our own, of which Node knows nothing.
      trackUnmanagedFds: false,
      // It makes little that lives for a moment only; a large young generation would just fill memory.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#worker.on("error", (error: unknown) => this.#onDeath(asError(error)));
    this.#worker.on("exit", () => this.#onExited());
    port1.on("message", (answer: Answer) => this.#onAnswer(answer));
    this.#worker.unref();
    port1.unref();
    process.once("exit", this.#onExit);
  }

  /**
   * Changes virtual ports; resolves when the worker has done so. Ports with an address that cannot be read stay as they
   * were, and are returned.
   */
  async update(changes: RelayChanges): Promise<readonly RejectedPort[]> {
    const parts = splitChanges(changes).map((part) =>
      this.#request((id) => ({ type: "update", id, changes: part })),
    );
    const answers = await Promise.all(parts);
    return answers.flatMap((answer) => (answer.type === "updated" ? answer.rejected : []));
  }

  /**
   * Serves whoever comes, from now on: from the start, clients can connect and send, but are not looked at. Once they are,
   * the virtual ports should be known. Does nothing the second time.
   */
  accept(): void {
    if (!this.#isOver) this.#send({ type: "accept" });
  }

  /** What has been counted so far. */
  async stats(): Promise<RelayStats> {
    const answer = await this.#request((id) => ({ type: "stats", id }));
    if (answer.type !== "stats") throw new Error("relay: no statistics");
    return answer.stats;
  }

  /** Accepts nobody any more, gives clients so many milliseconds to finish, resets the rest and ends the worker. */
  async stop({ graceMs }: { readonly graceMs: number }): Promise<void> {
    if (this.#isOver) return;
    this.#isStopping = true;
    const ended = once(this.#worker, "exit");
    this.#worker.ref();
    this.#send({ type: "stop", graceMs });
    await ended;
  }

  #request(make: (id: number) => Request): Promise<Answer> {
    if (this.#isOver) return Promise.reject(new Error("relay: it has stopped"));
    const id = ++this.#lastId;
    const answer = this.#expect(id);
    this.#send(make(id));
    return answer;
  }

  #send(request: Request): void {
    this.#port.postMessage(request);
    this.#wake();
  }

  #expect(id: number): Promise<Answer> {
    this.#port.ref();
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #onAnswer(answer: Answer): void {
    if (answer.type === "failures") this.#options.onFailures?.(answer.batch);
    else if (answer.type === "internalError") this.#options.onInternalError?.(answer.message);
    else {
      const id = answer.type === "started" ? 0 : answer.id;
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#port.unref();
      pending?.resolve(answer);
    }
  }

  /** After a stop that is what was asked for. */
  #onExited(): void {
    if (this.#isStopping) this.#finish(new Error("relay: it has stopped"));
    else this.#onDeath(new Error("relay: the worker has ended"));
  }

  #onDeath(error: Error): void {
    if (this.#isOver) return;
    const wasStarting = this.#pending.has(0);
    this.#finish(error);
    if (!wasStarting) this.#options.onDeath?.(error);
  }

  /** What is still awaited fails with `error`. */
  #finish(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    process.removeListener("exit", this.#onExit);
    this.#port.close();
    libc.close(this.#wakeUp);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  #wake(): void {
    libc.write(this.#wakeUp, this.#one.address, 8);
  }
}

/** Functions cannot be sent to a worker. */
function settingsOf(options: RelayOptions): PartialSettings {
  const { listeners, workerFile, onFailures, onInternalError, onDeath, ...settings } = options;
  return settings;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
