/** The real program under measurement, reading a real API server inside the node's namespace. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { FetchAnswer } from "../support/testbed/agent-protocol.ts";
import type { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { monotonicMs } from "./agents/clock.ts";
import { CLUSTER_CIDR, NODE_NAME } from "./cluster.ts";
import { type Milestones, readMilestones } from "./milestones.ts";
import type { Mode } from "./options.ts";
import { parseScrape, type Scrape, sumOf } from "./scrape.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PROGRAM = join(ROOT, "bin/kube-proxy");
const METRICS = "http://127.0.0.1:10249/metrics";

/** The node's connection tracking and OOM choices are the machine's; all else is the default. */
const FLAGS = [
  "--conntrack-max-per-core=0",
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  "--oom-score-adj=0",
  `--hostname-override=${NODE_NAME}`,
  `--cluster-cidr=${CLUSTER_CIDR}`,
];

/**
 * A look for drift starts fourteen programs on iptables-legacy, every thirty seconds by default. Where a process takes a
 * tenth of a second to start, changes would be measured by how often they meet it.
 */
const IPVS_FLAGS = ["--ipvs-sync-period=1h"];

const HEALTHZ = "http://127.0.0.1:10256/healthz";
const HEALTHZ_POLL_MS = 5;
const POLL_MS = 100;
const FAMILIES = ["IPv4", "IPv6"] as const;

export interface ProxyOptions {
  readonly kubeconfig: string;
  readonly mode: Mode;
  /** What to run instead of `bin/kube-proxy`. */
  readonly program?: string;
  /** Where it finds programs. */
  readonly path: string | undefined;
  /** Folder for a CPU profile at its end. */
  readonly profile: string | undefined;
}

export class MeasuredProxy {
  readonly startedMs = monotonicMs();
  readonly #startedUnixMs = Date.now();
  readonly #node: Namespace;
  readonly #mode: ProxyOptions["mode"];
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #log = "";

  constructor(node: Namespace, options: ProxyOptions) {
    this.#node = node;
    const { kubeconfig, mode, program = PROGRAM, path, profile } = options;
    this.#mode = mode;
    const flags = [...FLAGS, ...(mode === "ipvs" ? IPVS_FLAGS : [])];
    const argv = node.enter([program, ...flags, `--kubeconfig=${kubeconfig}`, `--proxy-mode=${mode}`]);
    this.#process = spawn("setpriv", ["--pdeathsig", "KILL", ...argv], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
      env: {
        ...process.env,
        PATH: path,
        KUBE_PROXY_NODE: nodeProgram(),
        ...(profile === undefined
          ? {}
          : { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=2000 --cpu-prof-dir=${profile}` }),
      },
    });
    this.#exit = once(this.#process, "exit");
    this.#process.stderr?.setEncoding("utf8").on("data", (chunk) => {
      this.#log += chunk;
    });
  }

  /** Process id: none of the programs that start it forks. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The file that Node.js runs: the bundle, or the sources where they are newer. */
  get entry(): string {
    const words = readFileSync(`/proc/${this.pid}/cmdline`, "utf8").split("\0");
    return relative(ROOT, words.find((word) => /\.c?[jt]s$/.test(word)) ?? "");
  }

  async scrape(): Promise<Scrape> {
    const fetch = (): Promise<FetchAnswer> => this.#node.ask({ op: "fetch", url: METRICS });
    // On a busy machine an answer can take too long; what it tells is no later for being asked for again.
    const { status, body } = await fetch().catch(fetch).catch(fetch);
    if (status !== 200) throw new Error(`${METRICS}: status ${status}`);
    return parseScrape(body);
  }

  /** What its log says of its start, up to the end of the first round of IPv4. */
  milestones(): Milestones {
    return readMilestones(this.#log, this.#startedUnixMs);
  }

  /** Waits until both families have been programmed and /healthz says 200; returns the milliseconds from start. */
  async untilHealthy(): Promise<number> {
    const isHealthy = (): Promise<boolean> =>
      this.#node.ask({ op: "fetch", url: HEALTHZ }).then(
        ({ status }) => status === 200,
        () => false,
      );
    const saidSynced = this.#untilSaidSynced();
    while (!(await isHealthy())) {
      if (this.#process.exitCode !== null) throw this.#unexpectedEnd();
      await delay(HEALTHZ_POLL_MS);
    }
    const healthyMs = monotonicMs() - this.startedMs;
    return Math.max(healthyMs, await saidSynced);
  }

  /** Waits until both families have been programmed; returns the milliseconds from start to the later one's success. */
  untilSynced(): Promise<number> {
    const saysIt = this.#mode === "ipvs" || this.#mode === "userspace";
    return saysIt ? this.#untilSaidSynced() : this.#untilCountedSynced();
  }

  /**
   * Reads it off the log: answering a scrape takes much of the one processor that ipvs mode mostly is measured on, and in
   * userspace mode memory.
   */
  async #untilSaidSynced(): Promise<number> {
    while (!FAMILIES.every((family) => this.#log.includes(` INFO synced family=${family} `))) {
      if (this.#process.exitCode !== null) throw this.#unexpectedEnd();
      await delay(POLL_MS);
    }
    return this.milestones().bothSyncedMs;
  }

  async #untilCountedSynced(): Promise<number> {
    for (;;) {
      const scrape = await this.scrape().catch(() => new Map<string, number>());
      const at = FAMILIES.map(
        (family) => sumOf(scrape, "kubeproxy_sync_proxy_rules_last_timestamp_seconds", family) * 1000,
      );
      if (at.every((ms) => ms > 0)) return Math.max(...at) - this.#startedUnixMs;
      if (this.#process.exitCode !== null) throw this.#unexpectedEnd();
      await delay(POLL_MS);
    }
  }

  /** Waits for something that only comes if the proxy works; rejects when the proxy ends or the time is up. */
  async orFail<T>(promise: Promise<T>, what: string, timeoutMs: number): Promise<T> {
    const timer = new AbortController();
    const late = delay(timeoutMs, undefined, { signal: timer.signal, ref: false }).then(() => {
      throw new Error(`waited ${timeoutMs / 1000} s for ${what}\n${this.#log}`);
    });
    const ended = this.#exit.then(() => {
      throw this.#unexpectedEnd();
    });
    try {
      return await Promise.race([promise, late, ended]);
    } finally {
      timer.abort();
      late.catch(() => {});
      ended.catch(() => {});
    }
  }

  /** Asks the program to end and waits until it has. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#exit;
  }

  #unexpectedEnd(): Error {
    return new Error(
      `kube-proxy ended (${this.#process.exitCode ?? this.#process.signalCode})\n${this.#log}`,
    );
  }
}
