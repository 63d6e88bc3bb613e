/**
 * Runs a command inside user-mode Linux and exits with its code:
 *
 *     npx node test/support/uml/main.ts [OPTIONS] -- COMMAND ARGS...
 *     npx node test/support/uml/main.ts -- bash -c 'ipvsadm -A -t 10.0.0.1:80 -s rr; ipvsadm -Ln'
 *
 * (`npx`, because the system's own node may be too old.) What it is like inside: see run.ts. Options:
 *
 *     --memory MIB         of the system inside; 2048
 *     --timeout SECONDS    for all of it; 600
 *     --shared FOLDER      where writes are real; may be given again
 *     --console            shows the kernel's messages, on standard error
 *
 * The exit code is the command's; 125 when user-mode Linux itself failed.
 */
import { parseArgs } from "node:util";
import { missingForUml } from "./missing.ts";
import { runInUml } from "./run.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    memory: { type: "string", default: "2048" },
    timeout: { type: "string", default: "600" },
    shared: { type: "string", multiple: true, default: [] },
    console: { type: "boolean", default: false },
  },
});

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort());
}

process.exitCode = await run();

async function run(): Promise<number> {
  const missing = missingForUml();
  if (missing !== undefined || positionals.length === 0) {
    console.error(missing ?? "usage: node test/support/uml/main.ts [OPTIONS] -- COMMAND ARGS...");
    return 2;
  }
  try {
    return await runInUml({
      argv: positionals,
      memoryMiB: Number(values.memory),
      timeoutMs: Number(values.timeout) * 1_000,
      shared: values.shared,
      signal: interrupted.signal,
      onStdout: (chunk) => process.stdout.write(chunk),
      onStderr: (chunk) => process.stderr.write(chunk),
      ...(values.console ? { onConsole: (chunk: Buffer) => process.stderr.write(chunk) } : {}),
    });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 125;
  }
}
