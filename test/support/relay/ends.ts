/** The two ends of many connections, each in a process of its own: see `ends-child.ts`. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Namespace } from "../testbed/namespace.ts";

/** `have`: open or accept until there are so many in all. */
export type EndOrder =
  | { readonly what: "have"; readonly count: number }
  | { readonly what: "send"; readonly count: number; readonly text: string }
  | { readonly what: "close" };

export interface EndAnswer {
  readonly error?: string;
}

export class Ends implements Disposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<EndAnswer>;

  /** Starts the process; resolves when it listens, or is ready to connect to the only address. */
  static async start(
    role: "clients" | "servers",
    namespace: Namespace,
    addresses: readonly string[],
  ): Promise<Ends> {
    const script = fileURLToPath(new URL("./ends-child.ts", import.meta.url));
    const ends = new Ends(fork(script, [role, `${namespace.pid}`, ...addresses]));
    await ends.#answer();
    return ends;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", () => resolve({ error: "the process has ended" }));
    });
  }

  /** Resolves when that is done; rejects with what went wrong. */
  async order(order: EndOrder): Promise<void> {
    this.#child.send(order);
    await this.#answer();
  }

  [Symbol.dispose](): void {
    this.#child.disconnect();
  }

  async #answer(): Promise<void> {
    const message = new Promise<EndAnswer>((resolve) => {
      this.#child.once("message", (answer) => resolve(answer as EndAnswer));
    });
    const { error } = await Promise.race([message, this.#ended]);
    if (error !== undefined) throw new Error(error);
  }
}
