/** Runs test files with vitest inside user-mode Linux and collects what became of each test. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeProgram } from "../../testbed/node-program.ts";
import { runInUml } from "../run.ts";
import { Tail } from "../tail.ts";
import { createTemporaryFolder, removeTemporaryFolder } from "../temporary-folder.ts";
import { type InnerError, type InnerEvent, type Outcome, type TestPath, VARIABLES } from "./events.ts";

export interface InnerRunOptions {
  /** Test files, from the root of the repository. They run one after the other. */
  readonly files: readonly string[];
  /** Of all of it, with the start of the kernel. Default: ten minutes. */
  readonly timeoutMs?: number;
  readonly memoryMiB?: number;
  /** Further environment variables for the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface InnerReport {
  readonly tests: readonly InnerTest[];
  readonly groups: readonly { readonly path: TestPath; readonly errors: readonly InnerError[] }[];
  /** Why the run as a whole is no good; failures of tests are not a reason. */
  readonly failure?: Error;
  /** The end of what the run printed. */
  readonly output: string;
}

export interface InnerTest {
  readonly path: TestPath;
  /** Absent if the run ended before. */
  readonly outcome?: Outcome;
}

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
const CONFIG = fileURLToPath(new URL("./inside.config.ts", import.meta.url));

/** Set it to see what happens inside while it happens. */
const SHOW = "KUBE_PROXY_TEST_SHOW_INSIDE";

/** Of the environment outside, what concerns the tests inside; much of the rest is about the vitest outside. */
const PASSED_ON = /^(HOME|LANG|LC_.*|TERM|CI|KUBE_PROXY_.*)$/;

export async function runInside(options: InnerRunOptions): Promise<InnerReport> {
  const folder = createTemporaryFolder();
  const output = new Tail(30_000);
  try {
    const failure = await runVitest(options, folder, output);
    return readReport(await readEvents(folder), failure, output.text);
  } finally {
    removeTemporaryFolder(folder);
  }
}

/** Returns the exit code, or why there is none. */
async function runVitest(options: InnerRunOptions, folder: string, output: Tail): Promise<number | Error> {
  const listen = (chunk: Buffer): void => {
    output.add(chunk);
    if (process.env[SHOW]) process.stderr.write(chunk);
  };
  try {
    return await runInUml({
      argv: [nodeProgram(), VITEST, "run", "--config", CONFIG, "--configLoader", "native"],
      cwd: ROOT,
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => PASSED_ON.test(name))),
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        NO_COLOR: "1",
        // The many agents of testbeds start twice as fast with it.
        NODE_COMPILE_CACHE: "/tmp/node-compile-cache",
        [VARIABLES.mode]: "ipvs",
        [VARIABLES.files]: JSON.stringify(options.files),
        [VARIABLES.events]: eventsFile(folder),
        ...options.env,
      },
      shared: [folder],
      ...(options.memoryMiB === undefined ? {} : { memoryMiB: options.memoryMiB }),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      onStdout: listen,
      onStderr: listen,
      onConsole: listen,
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const eventsFile = (folder: string): string => join(folder, "events");

async function readEvents(folder: string): Promise<InnerEvent[]> {
  const text = await readFile(eventsFile(folder), "utf8").catch(() => "");
  // A last line without its end was being written when the kernel went.
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

function readReport(events: readonly InnerEvent[], ended: number | Error, output: string): InnerReport {
  const of = <K extends InnerEvent["kind"]>(kind: K) =>
    events.filter((event): event is InnerEvent & { kind: K } => event.kind === kind);
  const outcomes = new Map(of("finished").map(({ id, outcome }) => [id, outcome]));
  const tests = of("collected").flatMap((event) => event.tests);
  const running = tests.filter(
    ({ id }) => !outcomes.has(id) && of("started").some((event) => event.id === id),
  );
  const groups = of("group");
  const errors = of("end").flatMap((event) => event.errors);
  const anyFailed = groups.length > 0 || [...outcomes.values()].some(({ state }) => state === "failed");

  const why = (): string | undefined => {
    if (ended instanceof Error) return ended.message;
    if (of("end").length === 0) return `vitest inside ended with exit code ${ended} before its tests did`;
    if (errors.length > 0) return errors.map(({ stack }) => stack).join("\n");
    if (tests.length === 0 && groups.length === 0) return "vitest inside found no tests";
    if (ended !== 0 && !anyFailed)
      return `vitest inside ended with exit code ${ended}, though no test failed`;
    return undefined;
  };
  const reason = why();
  const during = running.map(({ path }) => `\nThen this test was running: ${path.join(" > ")}`).join("");
  return {
    tests: tests.map(({ id, path }) => {
      const outcome = outcomes.get(id);
      return outcome === undefined ? { path } : { path, outcome };
    }),
    groups,
    output,
    ...(reason === undefined ? {} : { failure: new Error(`${reason}${during}`) }),
  };
}
