/** The real kube-proxy, running on a manifest folder inside the testbed's node. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { markerObjects, markerTargets, nextRevision } from "./marker.ts";
import type { Namespace } from "./namespace.ts";
import { nodeProgram } from "./node-program.ts";
import type { Testbed } from "./testbed.ts";

export type IptablesVariant = "nft" | "legacy";

export interface ProxyOptions {
  readonly mode: "iptables" | "ipvs" | "nftables" | "userspace";
  /** Which iptables the proxy finds on its PATH; the machine's own choice when absent. */
  readonly variant?: IptablesVariant;
  /** Further flags; they come last and so win. */
  readonly args?: readonly string[];
  /** Makes another argument vector of the program's, such as one that takes rights away first. */
  readonly wrap?: (argv: readonly string[]) => readonly string[];
  /** First objects to serve, there before the program starts. */
  readonly objects?: readonly object[];
  /** First files of the manifest folder, by name; nobody waits for these. */
  readonly files?: ReadonlyMap<string, string>;
}

const PROGRAM = fileURLToPath(new URL("../../../bin/kube-proxy", import.meta.url));

/** Inside the node's private /run. */
const MANIFESTS = "/run/manifests";
const TOOLS = "/run/tools";

const IPTABLES_PROGRAMS = ["iptables", "ip6tables"].flatMap((name) => [
  name,
  `${name}-save`,
  `${name}-restore`,
]);

/** The kernel's one conntrack table and this machine's OOM choices are none of a test's business. */
const SAFE_ARGS = ["--conntrack-max-per-core=0", "--oom-score-adj=0", "--hostname-override=node"];

const SYNC_TIMEOUT_MS = 30_000;
const POLL_MS = 40;

export class KubeProxy {
  readonly #bed: Testbed;
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #variant: IptablesVariant | undefined;
  #log = "";

  static async start(bed: Testbed, options: ProxyOptions): Promise<KubeProxy> {
    const node = bed.at("node");
    await mkdir(node.path(MANIFESTS), { recursive: true });
    if (options.variant) await linkTools(node.path(TOOLS), options.variant);
    for (const [name, text] of options.files ?? []) await writeManifest(node, name, text);
    const revision = options.objects ? await writeObjects(node, options.objects) : 0;
    const proxy = new KubeProxy(bed, options);
    try {
      if (options.objects) await proxy.#waitForRevision(revision);
      return proxy;
    } catch (error) {
      await proxy.kill();
      throw error;
    }
  }

  private constructor(bed: Testbed, options: ProxyOptions) {
    this.#bed = bed;
    this.#variant = options.variant;
    const flags = [
      `--manifests=${MANIFESTS}`,
      `--proxy-mode=${options.mode}`,
      ...SAFE_ARGS,
      ...(options.args ?? []),
    ];
    const argv = options.wrap?.([PROGRAM, ...flags]) ?? [PROGRAM, ...flags];
    this.#process = spawn("setpriv", ["--pdeathsig", "KILL", ...bed.at("node").enter(argv)], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, PATH: this.#path(), KUBE_PROXY_NODE: nodeProgram() },
    });
    this.#exit = once(this.#process, "exit");
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk) => {
        this.#log += chunk;
      });
    }
  }

  /** Everything the program wrote so far. */
  get log(): string {
    return this.#log;
  }

  /** Exit code, or the signal's name; `undefined` while it runs. */
  get ended(): number | string | undefined {
    return this.#process.exitCode ?? this.#process.signalCode ?? undefined;
  }

  /** Writes (replaces) one file of the manifest folder in one step. */
  write(name: string, text: string): Promise<void> {
    return writeManifest(this.#bed.at("node"), name, text);
  }

  /** Makes these the objects of the cluster and waits until the node serves them. */
  async apply(objects: readonly object[]): Promise<void> {
    await this.#waitForRevision(await writeObjects(this.#bed.at("node"), objects));
  }

  /** Once the marker Service answers in both families, all else is programmed, for it came in the same change. */
  async #waitForRevision(revision: number): Promise<void> {
    await this.waitFor(`revision ${revision} to be programmed`, async () => {
      const probes = markerTargets(revision).map((target) =>
        this.#bed.probe({ from: "node", protocol: "TCP", ...target, timeoutMs: 300 }),
      );
      const outcomes = (await Promise.all(probes)).flat();
      return outcomes.every((outcome) => typeof outcome === "object");
    });
  }

  /** Polls until `condition` holds; throws with the log when the program ends first or 30 s have passed. */
  async waitFor(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + SYNC_TIMEOUT_MS;
    while (!(await condition())) {
      if (this.ended !== undefined) throw new Error(`kube-proxy ended (${this.ended}):\n${this.#log}`);
      if (Date.now() > deadline) throw new Error(`kube-proxy: waited 30 s for ${what}:\n${this.#log}`);
      await delay(POLL_MS);
    }
  }

  /** What `iptables-save` prints on the node, per family. */
  async iptablesSave(): Promise<{ readonly IPv4: string; readonly IPv6: string }> {
    const save = (program: string): Promise<string> =>
      this.#bed.at("node").exec(["env", `PATH=${this.#path()}`, program]);
    const [IPv4, IPv6] = await Promise.all([save("iptables-save"), save("ip6tables-save")]);
    return { IPv4, IPv6 };
  }

  /** Runs `nft` on the node. */
  nft(...args: string[]): Promise<string> {
    return this.#bed.at("node").exec(["nft", ...args]);
  }

  /** Runs the program with `--cleanup` to its end; throws when that fails. */
  async cleanUp(): Promise<void> {
    await this.#bed.at("node").exec(["env", `PATH=${this.#path()}`, PROGRAM, "--cleanup"]);
  }

  /** Asks the program to end; resolves with its exit code or signal. */
  async stop(): Promise<number | string | undefined> {
    this.#process.kill("SIGTERM");
    await this.#exit;
    return this.ended;
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    if (this.ended === undefined) {
      this.#process.kill("SIGKILL");
      await this.#exit;
    }
  }

  #path(): string {
    return this.#variant ? `${TOOLS}:${process.env.PATH}` : (process.env.PATH ?? "");
  }
}

async function linkTools(folder: string, variant: IptablesVariant): Promise<void> {
  await mkdir(folder, { recursive: true });
  const links = IPTABLES_PROGRAMS.map((program) => {
    const [name = "", ...rest] = program.split("-");
    const path = `${folder}/${program}`;
    return symlink(`/usr/sbin/${[name, variant, ...rest].join("-")}`, path).catch((error) => {
      if (error.code !== "EEXIST") throw error;
    });
  });
  await Promise.all(links);
}

/** Returns the revision that the marker Service carries. */
async function writeObjects(node: Namespace, objects: readonly object[]): Promise<number> {
  const revision = nextRevision();
  const documents = [...objects, ...markerObjects(revision)].map((object) => JSON.stringify(object));
  await writeManifest(node, "objects.yaml", documents.join("\n---\n"));
  return revision;
}

async function writeManifest(node: Namespace, name: string, text: string): Promise<void> {
  const folder = node.path(MANIFESTS);
  // Not a manifest by name, so that nobody reads it half written.
  await writeFile(`${folder}/.${name}.tmp`, text);
  await rename(`${folder}/.${name}.tmp`, `${folder}/${name}`);
}
