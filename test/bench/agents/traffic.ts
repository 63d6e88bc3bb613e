/** Connections through Services that last, and new ones all the time: what a restart of the proxy must not disturb. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ask } from "./connect.ts";

const BETWEEN_CONNECTIONS_MS = 1;
const BETWEEN_WORDS_MS = 50;
const ANSWER_TIMEOUT_MS = 2_000;
const WORD = "x";

export interface TrafficResult {
  /** Connections there from beginning to end, and how many of these broke or fell silent. */
  readonly kept: number;
  readonly keptLost: number;
  /** Connections opened meanwhile, and how many of these nobody answered. */
  readonly opened: number;
  readonly openedLost: number;
}

/** A connection on which every word comes back. */
class Conversation {
  readonly #socket: Socket;
  #owed = 0;
  #broken = false;

  static async begin(host: string, port: number): Promise<Conversation> {
    const socket = connect({ host, port });
    // The pod's own address; then it repeats what it hears.
    await once(socket, "data");
    return new Conversation(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    const broken = (): void => {
      this.#broken = true;
    };
    socket.on("error", broken).on("close", broken);
    socket.on("data", (data) => {
      this.#owed -= data.length;
    });
  }

  say(): void {
    if (this.#broken) return;
    this.#owed += WORD.length;
    this.#socket.write(WORD);
  }

  /** Whether everything said has come back. */
  get isWhole(): boolean {
    return !this.#broken && this.#owed === 0;
  }

  end(): void {
    this.#socket.resetAndDestroy();
  }
}

export class Traffic {
  readonly #conversations: readonly Conversation[];
  readonly #done: Promise<unknown>;
  #ending = false;
  #opened = 0;
  #openedLost = 0;

  static async begin(hosts: readonly string[], port: number): Promise<Traffic> {
    const conversations = await Promise.all(hosts.map((host) => Conversation.begin(host, port)));
    return new Traffic(conversations, hosts, port);
  }

  private constructor(conversations: readonly Conversation[], hosts: readonly string[], port: number) {
    this.#conversations = conversations;
    this.#done = Promise.all([this.#open(hosts, port), this.#talk()]);
  }

  async end(): Promise<TrafficResult> {
    this.#ending = true;
    await this.#done;
    const deadline = performance.now() + ANSWER_TIMEOUT_MS;
    const lost = (): number => this.#conversations.filter(({ isWhole }) => !isWhole).length;
    while (lost() > 0 && performance.now() < deadline) await delay(BETWEEN_WORDS_MS);
    const keptLost = lost();
    for (const conversation of this.#conversations) conversation.end();
    return { kept: this.#conversations.length, keptLost, opened: this.#opened, openedLost: this.#openedLost };
  }

  async #open(hosts: readonly string[], port: number): Promise<void> {
    for (; !this.#ending; this.#opened++) {
      if ((await ask(hosts[this.#opened % hosts.length]!, port)) === undefined) this.#openedLost++;
      await delay(BETWEEN_CONNECTIONS_MS);
    }
  }

  async #talk(): Promise<void> {
    while (!this.#ending) {
      for (const conversation of this.#conversations) conversation.say();
      await delay(BETWEEN_WORDS_MS);
    }
  }
}
