/** Runs the benchmark of ipvs mode inside user-mode Linux where the host's kernel has no IPVS. */
import { cpSync, existsSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ipvs, isIpvsMissing } from "../../src/ipvs-netlink/index.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForUml } from "../support/uml/missing.ts";
import { runInUml } from "../support/uml/run.ts";
import { createTemporaryFolder, removeTemporaryFolder } from "../support/uml/temporary-folder.ts";
import type { BenchOptions } from "./options.ts";

const BENCH = fileURLToPath(new URL("./bench.ts", import.meta.url));
const MEMORY_MIB = 4_096;
const TIMEOUT_MS = 2 * 3_600_000;

const NOTE = `This kernel has no IPVS: the benchmark runs inside user-mode Linux, a kernel that is an ordinary process.
It has one processor, which the proxy shares with its API server, clients and pods, and system calls and new processes
take many times as long as on the host. Times from inside compare with each other, and with nothing measured on a host.
CPU time is counted in steps of 10 ms.
`;

/** Whether the kernel has IPVS; it may load the module to find out. */
export function hasIpvs(): boolean {
  try {
    Ipvs.open().close();
    return true;
  } catch (error) {
    if (isIpvsMissing(error)) return false;
    throw error;
  }
}

/** Runs the same command inside; returns its exit code. Files that it is to write land on the host. */
export async function benchInside(args: readonly string[], options: BenchOptions): Promise<number> {
  const missing = missingForUml();
  if (missing !== undefined) {
    console.error(`bench: this kernel has no IPVS, and user-mode Linux ${missing}`);
    return 1;
  }
  console.log(
    `${NOTE}Load of the host: ${loadavg()
      .map((load) => load.toFixed(2))
      .join(" ")}\n`,
  );
  const folder = createTemporaryFolder();
  const json = join(folder, "figures.json");
  const profile = join(folder, "profile");
  const outputs = [
    ...(options.json === undefined ? [] : ["--json", json]),
    ...(options.profile === undefined ? [] : ["--profile", profile]),
  ];
  try {
    const code = await runInUml({
      argv: [nodeProgram(), BENCH, ...args, ...outputs],
      shared: [folder],
      memoryMiB: MEMORY_MIB,
      timeoutMs: TIMEOUT_MS,
      onStdout: (chunk) => process.stdout.write(chunk),
      onStderr: (chunk) => process.stderr.write(chunk),
    });
    for (const [from, to] of [
      [json, options.json],
      [profile, options.profile],
    ] as const)
      if (to !== undefined && existsSync(from)) cpSync(from, to, { recursive: true });
    return code;
  } finally {
    removeTemporaryFolder(folder);
  }
}
