/** A network namespace without a name: it lives exactly as long as the agent process inside it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { AgentAnswers, AgentReply, AgentRequest } from "./agent-protocol.ts";
import { nodeProgram } from "./node-program.ts";
import { runCommand } from "./run-command.ts";

const AGENT = fileURLToPath(new URL("./agent.ts", import.meta.url));

/** Own /run (the xtables lock and our files) and own /sys (the namespace's links). */
const PRIVATE_MOUNTS = 'mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && exec "$@"';

interface Pending {
  resolve(result: never): void;
  reject(error: Error): void;
}

export class Namespace {
  readonly name: string;
  readonly #agent: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #stderr = "";

  /** Starts the agent in a new namespace and waits until it is ready. */
  static async create(name: string): Promise<Namespace> {
    const namespace = new Namespace(name);
    await namespace.#expect(0);
    return namespace;
  }

  private constructor(name: string) {
    this.name = name;
    // None of these programs forks, so the child's pid stays the agent's, and the kernel ends it with this process.
    const argv = ["--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c", PRIVATE_MOUNTS, "sh"];
    this.#agent = spawn("setpriv", [...argv, nodeProgram(), AGENT], {
      stdio: "pipe",
      // Not in the terminal's process group: on Ctrl-C the owner decides when the network goes.
      detached: true,
    });
    this.#ended = once(this.#agent, "exit");
    this.#agent.stdin.on("error", () => {});
    this.#agent.stderr.setEncoding("utf8").on("data", (chunk) => {
      this.#stderr += chunk;
    });
    createInterface({ input: this.#agent.stdout }).on("line", (line) => this.#settle(JSON.parse(line)));
    this.#agent.on("error", (error) => this.#abandon(error));
    this.#agent.on("close", () => this.#abandon(new Error(`agent of ${name} ended: ${this.#stderr}`)));
  }

  /** Process id of the agent: `nsenter -t PID -n -m` enters the namespace. */
  get pid(): number {
    return this.#agent.pid ?? 0;
  }

  /** The argument vector that runs `argv` inside the namespace. */
  enter(argv: readonly string[]): string[] {
    return ["nsenter", "-t", String(this.pid), "-n", "-m", "--", ...argv];
  }

  /** Runs a program inside to its end; see {@link runCommand}. */
  exec(argv: readonly string[], input?: string): Promise<string> {
    return runCommand(this.enter(argv), input);
  }

  /** Path, as seen from outside, of a file inside the namespace's private mounts. */
  path(inside: string): string {
    return `/proc/${this.pid}/root${inside}`;
  }

  /** Sends one request to the agent. */
  ask<R extends AgentRequest>(request: R): Promise<AgentAnswers[R["op"]]> {
    const id = ++this.#lastId;
    this.#agent.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    return this.#expect(id);
  }

  /** Ends the agent; the kernel then removes the namespace with all its links. */
  async dispose(): Promise<void> {
    this.#agent.kill("SIGKILL");
    await this.#ended;
  }

  #expect<T>(id: number): Promise<T> {
    return new Promise<T>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #settle(reply: AgentReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(new Error(`${this.name}: ${reply.error}`));
    else pending?.resolve(reply.result as never);
  }

  #abandon(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
