/** Runs one program to its end: no shell, its own process group, a time limit, an abort signal. */
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type ErrorCode, IpTablesError } from "./errors.ts";

export type Input = string | Iterable<string> | AsyncIterable<string>;

export interface RunOptions {
  readonly argv: readonly string[];
  /** Written to standard input; pulled only as fast as the program reads. */
  readonly input?: Input;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface RunResult {
  readonly command: string;
  /** Undefined when a signal ended the program. */
  readonly exitCode: number | undefined;
  readonly killedBy: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

/** Characters gathered before a write, so that many short chunks do not make as many system calls. */
const WRITE_SIZE = 65_536;

async function* gather(input: Input): AsyncGenerator<string> {
  let pending = "";
  for await (const chunk of typeof input === "string" ? [input] : input) {
    pending += chunk;
    if (pending.length < WRITE_SIZE) continue;
    yield pending;
    pending = "";
  }
  if (pending !== "") yield pending;
}

/** Feeds standard input; resolves with the input's own error, if it had one. */
async function feed(stdin: Writable, input: Input): Promise<Error | undefined> {
  let inputError: Error | undefined;
  // Pulled by hand: when the pipe breaks, the stream throws its own error into this generator at `yield`, and that one
  // is not the input's.
  async function* guarded(): AsyncGenerator<string> {
    const chunks = gather(input);
    try {
      for (;;) {
        const next = await chunks.next().catch((error: unknown) => {
          inputError = error instanceof Error ? error : new Error(String(error));
          throw inputError;
        });
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await chunks.return(undefined);
    }
  }
  // A program that stops reading early (EPIPE) has failed and says so by its exit code.
  await pipeline(Readable.from(guarded()), stdin).catch(() => undefined);
  return inputError;
}

function collect(stream: Readable): string[] {
  const chunks: string[] = [];
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => chunks.push(chunk));
  return chunks;
}

/** Kills the program and its children, and lets go of its pipes in case one of them escaped the group. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group has ended by itself in the meantime.
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
}

const SPAWN_ERRORS: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "IPTABLES_BINARY_MISSING",
  EACCES: "IPTABLES_BINARY_MISSING",
  EAGAIN: "IPTABLES_RESOURCE",
  ENOMEM: "IPTABLES_RESOURCE",
  EMFILE: "IPTABLES_RESOURCE",
  ENFILE: "IPTABLES_RESOURCE",
};

function closed(
  child: ChildProcess,
  command: string,
): Promise<readonly [number | null, NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    child.once("close", (code, signal) => resolve([code, signal]));
    child.once("error", (cause: NodeJS.ErrnoException) => {
      const code = SPAWN_ERRORS[cause.code ?? ""] ?? "IPTABLES_COMMAND_FAILED";
      reject(new IpTablesError(code, `cannot run ${command}: ${cause.message}`, { command, cause }));
    });
  });
}

/**
 * Runs a program; any exit code is a result. Messages come in English whatever the locale.
 * Throws IPTABLES_BINARY_MISSING, IPTABLES_TIMEOUT, IPTABLES_ABORTED, or the error of the input itself; in the last
 * three cases the whole process group has been killed.
 */
export async function run(options: RunOptions): Promise<RunResult> {
  const { argv, input, timeoutMs, signal } = options;
  const command = argv.join(" ");
  const aborted = (): IpTablesError =>
    new IpTablesError("IPTABLES_ABORTED", `aborted: ${command}`, { command, cause: signal?.reason });
  if (signal?.aborted === true) throw aborted();

  const [file = "", ...args] = argv;
  const started = performance.now();
  const child = spawn(file, args, { detached: true, stdio: "pipe", env: { ...process.env, LC_ALL: "C" } });
  let failure: Error | undefined;
  const stop = (error: Error): void => {
    failure ??= error;
    killGroup(child);
  };
  const onAbort = (): void => stop(aborted());
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    stop(new IpTablesError("IPTABLES_TIMEOUT", `killed after ${timeoutMs} ms: ${command}`, { command }));
  }, timeoutMs);
  try {
    const end = closed(child, command);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const fed = feed(child.stdin, input ?? "").then((error) => error && stop(error));
    const [code, killer] = await end;
    if (failure === undefined) await fed;
    if (failure !== undefined) throw failure;
    return {
      command,
      exitCode: code ?? undefined,
      killedBy: killer ?? undefined,
      stdout: stdout.join(""),
      stderr: stderr.join(""),
      durationMs: performance.now() - started,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
