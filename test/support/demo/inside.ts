/** Runs the demo of ipvs mode inside user-mode Linux, on machines whose own kernel has no IPVS. */
import { fileURLToPath } from "node:url";
import { Ipvs, isIpvsMissing } from "#ipvs-netlink";
import { nodeProgram } from "../testbed/node-program.ts";
import { missingForUml } from "../uml/missing.ts";
import { runInUml } from "../uml/run.ts";

const DEMO = fileURLToPath(new URL("./demo.ts", import.meta.url));

/** Whether the kernel that runs this process has IPVS. */
export function kernelHasIpvs(): boolean {
  try {
    Ipvs.open().close();
    return true;
  } catch (error) {
    if (isIpvsMissing(error)) return false;
    throw error;
  }
}

/** Resolves with the exit code of the demo inside, or the signal's when interrupted. Leaves nothing behind. */
export async function demoInside(): Promise<number> {
  const missing = missingForUml();
  if (missing) {
    throw new Error(`This kernel has no IPVS, and user-mode Linux, whose kernel has, ${missing}.`);
  }
  console.log(
    "This kernel has no IPVS: the demo runs inside user-mode Linux, a kernel of its own that is an ordinary process here.\n" +
      "This takes about 20 s longer, more on a busy machine.",
  );
  let interrupted: number | undefined;
  const abort = new AbortController();
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      interrupted = code;
      console.log(`\n${signal}: ending user-mode Linux, and with it the network.`);
      abort.abort();
    });
  }
  try {
    return await runInUml({
      argv: [nodeProgram(), DEMO, "--proxy-mode", "ipvs", "--inside"],
      env: { ...process.env, ...(process.stdout.isTTY && !process.env.NO_COLOR && { FORCE_COLOR: "1" }) },
      memoryMiB: 1024,
      timeoutMs: 300_000,
      signal: abort.signal,
      onStdout: (chunk) => process.stdout.write(chunk),
      onStderr: (chunk) => process.stderr.write(chunk),
    });
  } catch (error) {
    if (interrupted !== undefined) return interrupted;
    throw error;
  }
}
