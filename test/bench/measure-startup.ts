/** Measures the program in each form in which it is installed: how long until it is healthy, and its memory when idle. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { nodeFlags } from "../../bin/bundle/node-flags.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { total } from "./figures.ts";
import type { ClusterSize, StartupOptions, Subject } from "./options.ts";
import { cpuUsage, type MemoryProfile, memoryProfile, memoryUsage } from "./process-usage.ts";
import { Site } from "./site.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TIMEOUT_MS = 30_000;
const EMPTY_MS = 2_000;
const SIZE: ClusterSize = { services: 5, endpointsPerService: 2 };

export const FORMS = ["sources", "bundle", "executable"] as const;
export type Form = (typeof FORMS)[number];

export interface StartupRun {
  readonly healthyMs: number;
  /** Of it until the first line of the log. */
  readonly runningMs: number;
  /** Processor time until then, of all threads and of the programs that it ran. */
  readonly cpuMs: number;
  readonly idle: MemoryProfile;
  readonly peakMB: number;
}

export interface StartupResult {
  readonly subject: Subject;
  readonly runs: Readonly<Record<Form, readonly StartupRun[]>>;
}

/** Starts every form in turn, so many times, each time with nothing in the kernel. */
export async function measureStartup(
  subject: Subject,
  { runs, idleMs }: StartupOptions,
  say: (text: string) => void,
): Promise<StartupResult> {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-bench-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", removeFolder);
  const site = await Site.create(SIZE, subject, folder, undefined);
  try {
    const results: Record<Form, StartupRun[]> = { sources: [], bundle: [], executable: [] };
    for (let run = 1; run <= runs; run++) {
      for (const form of FORMS) {
        say(`${form}, run ${run} of ${runs}`);
        results[form].push(await measureRun(site, programOf(form, folder), idleMs));
      }
    }
    return { subject, runs: results };
  } finally {
    await site.dispose();
    removeFolder();
    process.off("exit", removeFolder);
  }
}

async function measureRun(site: Site, program: string, idleMs: number): Promise<StartupRun> {
  const proxy = await site.startProxy(program);
  const healthyMs = await proxy.orFail(proxy.untilHealthy(), "the proxy to be healthy", TIMEOUT_MS);
  const cpuMs = total(cpuUsage(proxy.pid));
  const { runningMs } = proxy.milestones();
  await delay(idleMs);
  const [idle, { peakMB }] = [memoryProfile(proxy.pid), memoryUsage(proxy.pid)];
  await proxy.stop();
  await site.cleanUp();
  return { healthyMs, runningMs, cpuMs, idle, peakMB };
}

/** Node.js with the flags that the program gets, and nothing to do: what no program on it can be without. */
export async function measureEmptyNode(): Promise<MemoryProfile> {
  const script = "setInterval(() => {}, 2 ** 30)";
  const node = spawn(nodeProgram(), [...nodeFlags(), "--eval", script], { stdio: "ignore" });
  try {
    await delay(EMPTY_MS);
    return memoryProfile(node.pid ?? 0);
  } finally {
    node.kill("SIGKILL");
  }
}

/** The launcher takes the bundle where it is up to date, so the sources get a launcher without a bundle beside it. */
function programOf(form: Form, folder: string): string {
  if (form === "executable") return join(ROOT, "dist/kube-proxy");
  const root = join(folder, form);
  if (!existsSync(root)) {
    mkdirSync(root);
    cpSync(join(ROOT, "bin"), join(root, "bin"), { recursive: true });
    const parts = form === "bundle" ? ["dist"] : ["src", "node_modules", "package.json"];
    for (const part of parts) symlinkSync(join(ROOT, part), join(root, part));
  }
  return join(root, "bin/kube-proxy");
}
