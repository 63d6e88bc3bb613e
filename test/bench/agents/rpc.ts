/** Calls into a process of the benchmark that runs inside a namespace: JSON lines over its standard input and output. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Namespace } from "../../support/testbed/namespace.ts";
import { nodeProgram } from "../../support/testbed/node-program.ts";

/** What an agent can be asked: functions of at most one argument, which travels as JSON, as does the result. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Reply = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** The agent's side: answers calls until the input ends, and then ends the process. */
export function answerCalls(calls: Calls): void {
  const reply = (line: Reply): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const answer = async ({ id, name, argument }: Request): Promise<void> => {
    try {
      reply({ id, result: await calls[name]!(argument as never) });
    } catch (error) {
      reply({ id, error: (error as Error).stack ?? String(error) });
    }
  };
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => void answer(JSON.parse(line)));
  lines.on("close", () => process.exit(0));
}

interface Pending {
  resolve(result: never): void;
  reject(error: Error): void;
}

/** The caller's side: a process running `script` inside a namespace. */
export class Agent<C extends Calls> {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  constructor(namespace: Namespace, script: URL) {
    const argv = namespace.enter([
      nodeProgram(),
      "--disable-warning=ExperimentalWarning",
      fileURLToPath(script),
    ]);
    // The kernel ends it with this process; detached, so that Ctrl-C reaches this process alone.
    const [program, ...args] = ["setpriv", "--pdeathsig", "KILL", ...argv] as const;
    this.#process = spawn(program, args, { stdio: "pipe", detached: true });
    this.#ended = once(this.#process, "close");
    this.#process.stderr.pipe(process.stderr);
    this.#process.stdin.on("error", () => {});
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#settle(JSON.parse(line)));
    this.#process.on("close", () => this.#abandon(new Error(`${script.pathname} ended`)));
  }

  /** Process id: none of the programs that start it forks. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  call<K extends keyof C & string>(
    name: K,
    ...[argument]: Parameters<C[K]>
  ): Promise<Awaited<ReturnType<C[K]>>> {
    const id = ++this.#lastId;
    this.#process.stdin.write(`${JSON.stringify({ id, name, argument } satisfies Request)}\n`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  async dispose(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.result as never);
  }

  #abandon(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
