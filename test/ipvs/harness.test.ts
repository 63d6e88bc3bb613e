/** What runs inside user-mode Linux is told outside as it was, whatever goes wrong. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { UmlError } from "../support/uml/error.ts";
import { missingForUml } from "../support/uml/missing.ts";
import { runInUml } from "../support/uml/run.ts";
import { runInside } from "../support/uml/suite/inner-run.ts";
import { createTemporaryFolder, removeTemporaryFolder } from "../support/uml/temporary-folder.ts";

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const FIXTURES = "test/support/uml/fixtures";
const MAIN = at("test/support/uml/main.ts");

const missing = missingForUml();

describe("user-mode Linux", () => {
  if (missing) it.skip(`skipped: ${missing}`);
  else commandTests();
});

describe("tests inside it", () => {
  if (missing) it.skip(`skipped: ${missing}`);
  else innerTests();
});

function commandTests(): void {
  it("hands over output, arguments and exit code", async () => {
    const { child, output } = start(
      "--",
      "sh",
      "-c",
      'printf "%s|" "$@"; echo oops >&2; exit 7',
      "sh",
      "a b",
      "it's",
    );
    await once(child, "close");
    expect({ ...output, exitCode: child.exitCode }).toEqual({
      stdout: "a b|it's|",
      stderr: "oops\n",
      exitCode: 7,
    });
  });

  it("says so when the command is not there", async () => {
    expect(await runInUml({ argv: ["no-such-program"] })).toBe(127);
  });

  it("writes to shared folders only", async () => {
    const folder = createTemporaryFolder();
    try {
      const touch = ["touch", `${folder}/shared`, `${at("")}written-inside`];
      expect(await runInUml({ argv: touch, shared: [folder] })).toBe(0);
      expect(existsSync(`${folder}/shared`)).toBe(true);
      expect(existsSync(`${at("")}written-inside`)).toBe(false);
    } finally {
      removeTemporaryFolder(folder);
    }
  });

  it("two run at once", async () => {
    const run = (code: number): Promise<number> => runInUml({ argv: ["sh", "-c", `sleep 1; exit ${code}`] });
    expect(await Promise.all([run(1), run(2)])).toEqual([1, 2]);
  });

  it.each([
    ["a command that takes too long", ["sleep", "1000"], "it took longer than 8 s, while the command ran"],
    [
      "a kernel panic",
      ["sh", "-c", "echo c >/proc/sysrq-trigger; sleep 1000"],
      /its kernel panicked, while the command ran.*sysrq triggered crash/s,
    ],
  ])("reports %s", async (_title, argv, message) => {
    const run = runInUml({ argv, timeoutMs: 8_000 });
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toBeInstanceOf(UmlError);
  });

  it("reports a kernel that does not start", async () => {
    await expect(runInUml({ argv: ["true"], memoryMiB: 16 })).rejects.toThrow(
      // Of what it has too little depends on where its memory lies.
      /while its kernel started.*(Too few physical memory|Kernel panic)/s,
    );
  });

  it("reports that preparations inside failed", async () => {
    await expect(runInUml({ argv: ["true"], shared: ["/no/such/folder"] })).rejects.toThrow(
      /init.sh failed, while init.sh prepared.*no\/such\/folder/s,
    );
  });

  it("leaves no process and, in the end, no folder behind when its parent is killed", async () => {
    const { child, output } = start("--", "sh", "-c", "echo running; sleep 1000");
    await expect.poll(() => output.stdout, { timeout: 60_000 }).toBe("running\n");
    expect(instancesOf(child)).not.toEqual([]);
    child.kill("SIGKILL");
    await once(child, "close");
    await expect.poll(() => instancesOf(child), { timeout: 5_000 }).toEqual([]);
    removeTemporaryFolder(createTemporaryFolder());
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(`kube-proxy-uml-${child.pid}-`))).toEqual(
      [],
    );
  });
}

/** Starts the command-line program. */
function start(...args: string[]): { child: ChildProcess; output: { stdout: string; stderr: string } } {
  const child = spawn(nodeProgram(), [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text) => {
      output[name] += text;
    });
  }
  return { child, output };
}

/** Command lines of the processes that belong to the instances of a process. */
function instancesOf({ pid }: ChildProcess): string[] {
  const commandLine = (process: string): string => {
    try {
      return readFileSync(`/proc/${process}/cmdline`, "utf8");
    } catch {
      return "";
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(`/kube-proxy-uml-${pid}-`));
}

interface Assertion {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

function innerTests(): void {
  describe("become tests outside", () => {
    const folder = createTemporaryFolder();
    let tests: readonly Assertion[] = [];
    let printed = "";
    let exitCode: number | null = null;

    beforeAll(async () => {
      const config = ["--root", at(""), "--config", at(`${FIXTURES}/outside.config.ts`)];
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${folder}/results`];
      const argv = [at("node_modules/vitest/vitest.mjs"), "run", ...config, ...reporters];
      const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined };
      const child = spawn(nodeProgram(), argv, { stdio: ["ignore", "pipe", "pipe"], env });
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          printed += text;
        });
      }
      await once(child, "close");
      exitCode = child.exitCode;
      tests = JSON.parse(readFileSync(`${folder}/results`, "utf8")).testResults[0].assertionResults;
    }, 180_000);

    afterAll(() => removeTemporaryFolder(folder));

    it("by the same names and with the same end", () => {
      const file = `${FIXTURES}/outcomes.test.ts`;
      expect(tests.map(({ fullName, status }) => [fullName, status])).toEqual([
        ["the tests inside user-mode Linux ran to their end", "passed"],
        [`${file} passes`, "passed"],
        [`${file} fails`, "failed"],
        [`${file} is skipped`, "skipped"],
        [`${file} skips itself`, "skipped"],
        [`${file} a suite has the same name`, "passed"],
        [`${file} a suite has the same name`, "failed"],
        [`${file} a suite whose hook fails never runs`, "skipped"],
        [`${file} a suite whose hook fails loads, and its hooks succeed`, "failed"],
      ]);
      expect(exitCode).toBe(1);
    });

    it("with their errors", () => {
      const messages = tests
        .filter(({ status }) => status === "failed")
        .map((test) => test.failureMessages.join());
      expect(messages).toEqual([
        expect.stringMatching(/AssertionError: expected .* to deeply equal .*outcomes\.test\.ts:7:28/s),
        expect.stringMatching(/TypeError: the second one fails.*outcomes\.test\.ts:17:11/s),
        expect.stringContaining("Error: the hook failed"),
      ]);
      expect(printed).toContain('-   "seen": "that",\n+   "seen": "this",');
      expect(printed).toContain("because it likes to");
    });
  });

  it("that hang are named, and those before them count", async () => {
    const { tests, failure } = await runInside({ files: [`${FIXTURES}/hangs.test.ts`], timeoutMs: 20_000 });
    expect(failure?.message).toContain("it took longer than 20 s");
    expect(failure?.message).toContain(
      "Then this test was running: test/support/uml/fixtures/hangs.test.ts > hangs",
    );
    expect(tests.map(({ outcome }) => outcome?.state)).toEqual(["passed", undefined, undefined]);
  });

  it("that are not there are a failure", async () => {
    const { tests, failure } = await runInside({ files: [`${FIXTURES}/none.test.ts`] });
    expect(tests).toEqual([]);
    expect(failure?.message).toMatch(/before its tests did|found no tests/);
  });
}
