/**
 * Runs one command inside user-mode Linux: a kernel as an ordinary process, with IPVS, which the host's may lack.
 *
 * Inside, all files of the host are there under their own names, and may be written to: what is written stays in memory
 * and is gone afterwards. Only the folders in `shared` are the host's own. The command is root. There is no network but
 * `lo`, namespaces and veth work, and modules load by themselves. One CPU, and everything takes 1.3 to 20 times as long as
 * outside. The kernel lacks the families ip, ip6 and inet of nf_tables: iptables-legacy works, iptables-nft does not.
 * The host's vm.max_map_count limits a process: where every page of it lies apart from the others, to 256 MiB by default.
 *
 * From a shell: `npx node test/support/uml/main.ts -- COMMAND ARGS...`
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { claimCpu } from "./cpu.ts";
import { UmlError, type UmlStage } from "./error.ts";
import { prepareJob } from "./job.ts";
import { memoryFolder } from "./memory-folder.ts";
import { UML } from "./missing.ts";
import { Tail } from "./tail.ts";
import { createTemporaryFolder, removeTemporaryFolder } from "./temporary-folder.ts";

export interface UmlCommand {
  readonly argv: readonly string[];
  /** Default: this process's. */
  readonly cwd?: string;
  /** The whole environment; default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Folders of the host where writes are real. */
  readonly shared?: readonly string[];
  /** Default 2048. */
  readonly memoryMiB?: number;
  /** How long it may take from the start of the kernel to the end of the command. Default: ten minutes. */
  readonly timeoutMs?: number;
  /** Ends everything at once. */
  readonly signal?: AbortSignal;
  /** Output of the command, as it comes. */
  readonly onStdout?: (chunk: Buffer) => void;
  readonly onStderr?: (chunk: Buffer) => void;
  /** The kernel's and init's messages, as they come. */
  readonly onConsole?: (chunk: Buffer) => void;
}

const INIT = fileURLToPath(new URL("./init.sh", import.meta.url));

/** Boot and init take some two seconds. */
const BOOT_TIMEOUT_MS = 120_000;

/** Resolves with the command's exit code; rejects with an {@link UmlError} when it could not be run to its end. */
export async function runInUml(command: UmlCommand): Promise<number> {
  const claim = await claimCpu();
  const folder = createTemporaryFolder();
  try {
    await prepareJob(folder, INIT, command);
    return await new Instance(folder, claim?.cpu, command).ended;
  } finally {
    claim?.release();
    removeTemporaryFolder(folder);
  }
}

class Instance {
  readonly ended: Promise<number>;
  readonly #process: ChildProcess;
  readonly #console = new Tail(8_000);
  readonly #timers: NodeJS.Timeout[] = [];
  #stage: UmlStage = "boot";
  #exitCode: number | undefined;
  #why: string | undefined;

  constructor(folder: string, cpu: number | undefined, command: UmlCommand) {
    const { memoryMiB = 2048, timeoutMs = 600_000 } = command;
    const pinned = cpu === undefined ? [] : ["taskset", "--cpu-list", String(cpu)];
    this.#process = spawn("setpriv", [...CAGE, ...pinned, UML, ...kernelArguments(folder, memoryMiB)], {
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        LD_PRELOAD: `${folder}/xstate.so`,
        TMPDIR: memoryFolder(memoryMiB * 2 ** 20),
        HOME: folder,
      },
      // Not in the terminal's process group: on Ctrl-C this process decides what happens.
      detached: true,
    });
    const [, out, err, commandOut, commandErr, progress] = this.#process.stdio as (Readable | null)[];
    for (const stream of [out, err]) {
      stream?.on("data", (chunk) => {
        this.#console.add(chunk);
        command.onConsole?.(chunk);
        if (this.#console.text.includes("Kernel panic")) this.#panicked();
      });
    }
    commandOut?.on("data", (chunk) => command.onStdout?.(chunk));
    commandErr?.on("data", (chunk) => command.onStderr?.(chunk));
    let heard = "";
    progress?.setEncoding("utf8").on("data", (text) => {
      heard += text;
      const lines = heard.split("\n");
      heard = lines.pop() ?? "";
      for (const line of lines) this.#progress(line);
    });
    this.#giveUp(
      `nothing ran within ${BOOT_TIMEOUT_MS / 1_000} s`,
      BOOT_TIMEOUT_MS,
      () => this.#stage !== "command",
    );
    this.#giveUp(`it took longer than ${timeoutMs / 1_000} s`, timeoutMs);
    const abort = (): void => this.#kill("it was interrupted");
    command.signal?.addEventListener("abort", abort);
    if (command.signal?.aborted) abort();
    this.ended = new Promise<number>((resolve, reject) => {
      this.#process.on("error", reject);
      this.#process.on("close", (code, signal) => {
        if (this.#exitCode !== undefined) resolve(this.#exitCode);
        else
          reject(
            new UmlError(this.#stage, this.#why ?? `it ended with ${signal ?? code}`, this.#console.text),
          );
      });
    }).finally(() => {
      for (const timer of this.#timers) clearTimeout(timer);
      command.signal?.removeEventListener("abort", abort);
    });
  }

  #progress(line: string): void {
    const [word, code] = line.trim().split(" ");
    if (word === "init") this.#stage = "init";
    if (word === "run") this.#stage = "command";
    if (word === "failed") this.#kill("init.sh failed");
    if (word === "exit") {
      this.#exitCode = Number(code);
      this.#kill();
    }
  }

  /** It mostly aborts by itself, after it has told why. */
  #panicked(): void {
    this.#why ??= "its kernel panicked";
    this.#giveUp(this.#why, 1_000);
  }

  #giveUp(why: string, afterMs: number, still = () => true): void {
    this.#timers.push(setTimeout(() => still() && this.#kill(why), afterMs));
  }

  /** Ends the one process of {@link CAGE} that we know: all others end with it. */
  #kill(why?: string): void {
    this.#why ??= why;
    this.#process.kill("SIGKILL");
  }
}

/**
 * User-mode Linux is many processes, which trace each other and do not end together. In a process-id namespace of their
 * own they do, as soon as its first process ends, and that one ends with `unshare`, and `unshare` with this process. The
 * shell is there because user-mode Linux itself cannot abort as a first process.
 */
const CAGE = [
  ...["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "--"],
  ...["sh", "-c", '"$0" "$@"; exit $?'],
];

function kernelArguments(folder: string, memoryMiB: number): string[] {
  return [
    ...["rootfstype=hostfs", "rootflags=/", "ro", `init=${folder}/init`, `uml_job=${folder}`],
    ...[`mem=${memoryMiB}M`, "quiet"],
    ...["con=null", "con0=null,fd:1"],
    // What init.sh knows as ttyS1 to ttyS3.
    ...["ssl=null", "ssl1=null,fd:3", "ssl2=null,fd:4", "ssl3=null,fd:5"],
    // Else it leaves folders in the home directory.
    ...[`uml_dir=${folder}/control`, "umid=uml"],
  ];
}
