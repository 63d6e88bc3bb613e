/** A real Prometheus inside the testbed's node, on the loopback address, which scrapes the proxy each second. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { METRICS_PORT } from "../../../src/config/defaults.ts";
import type { Testbed } from "../testbed/testbed.ts";
import { monitoringProgram } from "./programs.ts";

const ADDRESS = "127.0.0.1:9090";
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** One series of an answer. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds, and the value: `NaN` where nothing can be computed. */
  readonly value: readonly [number, string];
}

export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  /** `inactive`, `pending` (its time has not come yet) or `firing`. */
  readonly state: string;
}

export class Prometheus {
  readonly #bed: Testbed;
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  #log = "";

  /** Starts it with rule files of this content; resolves when it answers. */
  static async start(bed: Testbed, ruleFiles: readonly string[]): Promise<Prometheus> {
    const prometheus = new Prometheus(bed, ruleFiles);
    try {
      await prometheus.#waitUntilReady();
      return prometheus;
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
  }

  private constructor(bed: Testbed, ruleFiles: readonly string[]) {
    this.#bed = bed;
    this.#folder = mkdtempSync(join(tmpdir(), "kube-proxy-prometheus-"));
    const paths = ruleFiles.map((text, index) => {
      const path = join(this.#folder, `rules-${index}.yaml`);
      writeFileSync(path, text);
      return path;
    });
    const config = join(this.#folder, "prometheus.yaml");
    writeFileSync(config, stringify(configuration(paths)));
    const argv = [
      monitoringProgram("prometheus") ?? "prometheus",
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(this.#folder, "data")}`,
      `--web.listen-address=${ADDRESS}`,
      "--log.level=warn",
    ];
    this.#process = spawn("setpriv", ["--pdeathsig", "KILL", ...bed.at("node").enter(argv)], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.#exit = once(this.#process, "exit");
    this.#process.stderr?.setEncoding("utf8").on("data", (chunk) => {
      this.#log += chunk;
    });
  }

  /** What it complained about. */
  get log(): string {
    return this.#log;
  }

  /** Evaluates an expression now. Throws with its message if it is not valid. */
  async query(expr: string): Promise<readonly Sample[]> {
    const { result } = (await this.#get(`query?query=${encodeURIComponent(expr)}`)) as {
      readonly result: readonly Sample[];
    };
    return result;
  }

  /** All values of a label of a metric. */
  async labelValues(metric: string, label: string): Promise<readonly string[]> {
    const values = await this.#get(`label/${label}/values?match[]=${encodeURIComponent(metric)}`);
    return values as readonly string[];
  }

  /** Every alerting rule, as last evaluated. */
  async alerts(): Promise<readonly RuleState[]> {
    const { groups } = (await this.#get("rules?type=alert")) as {
      readonly groups: readonly { readonly rules: readonly RuleState[] }[];
    };
    return groups.flatMap(({ rules }) => rules);
  }

  /** Ends it and forgets what it has stored. */
  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exit;
    rmSync(this.#folder, { recursive: true });
  }

  async #get(path: string): Promise<unknown> {
    const { body } = await this.#bed.fetch("node", `http://${ADDRESS}/api/v1/${path}`);
    const answer = JSON.parse(body) as {
      readonly status: string;
      readonly data: unknown;
      readonly error?: string;
    };
    if (answer.status !== "success")
      throw new Error(`Prometheus: ${answer.error} (${decodeURIComponent(path)})`);
    return answer.data;
  }

  async #waitUntilReady(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.#isReady())) {
      if (this.#process.exitCode !== null || Date.now() > deadline)
        throw new Error(`Prometheus did not start:\n${this.#log}`);
      await delay(POLL_MS);
    }
  }

  async #isReady(): Promise<boolean> {
    const answer = await this.#bed.fetch("node", `http://${ADDRESS}/-/ready`).catch(() => undefined);
    return answer?.status === 200;
  }
}

function configuration(ruleFiles: readonly string[]): object {
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
    rule_files: ruleFiles,
    scrape_configs: [
      {
        job_name: "kube-proxy",
        honor_labels: true,
        static_configs: [{ targets: [`127.0.0.1:${METRICS_PORT}`] }],
      },
    ],
  };
}
