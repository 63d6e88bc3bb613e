/** The daemon in the testbed's node, following a test API server that only that node can reach. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { IpFamily } from "../../../src/model/types.ts";
import { parseExposition } from "../../unit/metrics/exposition.ts";
import { ApiServer, type ApiServerOptions } from "../api-server/api-server.ts";
import type { KubeObject } from "../api-server/store.ts";
import type { MemberName } from "../testbed/addresses.ts";
import type { FetchAnswer } from "../testbed/agent-protocol.ts";
import type { KubeProxy, ProxyOptions } from "../testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../testbed/testbed.ts";
import { inNetworkOf } from "./in-network.ts";
import type { TestService } from "./objects.ts";

type Mode = "iptables" | "nftables";

/** What a test may turn: the kernel's one conntrack table is not ours, and nobody waits between changes. */
const ARGS = [
  "--manifests=",
  "--conntrack-max-per-core=0",
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  "--iptables-min-sync-period=0s",
];

/** A testbed for all tests of a file, and what they need of it. */
export class DaemonTests {
  readonly mode: Mode;
  #bed: Testbed | undefined;
  #proxy: KubeProxy | undefined;

  constructor(mode: Mode) {
    this.mode = mode;
  }

  /** Kinds that the daemon follows: Node, Service and EndpointSlice; in nftables mode ServiceCIDR as well. */
  get watches(): number {
    return this.mode === "nftables" ? 4 : 3;
  }

  get bed(): Testbed {
    if (this.#bed === undefined) throw new Error("not set up yet");
    return this.#bed;
  }

  /** The daemon that was started last. */
  get proxy(): KubeProxy {
    if (this.#proxy === undefined) throw new Error("not started yet");
    return this.#proxy;
  }

  async setUp(): Promise<void> {
    this.#bed = await Testbed.create({ pods: ["p1", "p2", "r1"] });
  }

  async tearDown(): Promise<void> {
    await this.#bed?.dispose();
  }

  /** Starts a server inside the node's network, where it is 127.0.0.1; it ends with the test. */
  async serve(objects: readonly KubeObject[], options: ApiServerOptions = {}): Promise<ApiServer> {
    const { pid } = this.bed.at("node");
    const server = await ApiServer.start({
      ...options,
      listen: (http, port) => inNetworkOf(pid, () => http.listen(port)),
    });
    onTestFinished(() => server.stop());
    put(server, objects);
    return server;
  }

  /** Starts the daemon with these flags; it ends with the test. Resolves when its process exists. */
  async run(
    args: readonly string[],
    options: Pick<ProxyOptions, "variant" | "wrap"> = {},
  ): Promise<KubeProxy> {
    const proxy = await this.bed.startProxy({ ...options, mode: this.mode, args: [...ARGS, ...args] });
    this.#proxy = proxy;
    onTestFinished(() => proxy.kill());
    return proxy;
  }

  /** Starts the daemon on a server; `user` is the user section of its kubeconfig. */
  follow(server: ApiServer, args: readonly string[] = [], user: object = {}): Promise<KubeProxy> {
    const kubeconfig = server.kubeconfig(join(temporaryFolder(), "kubeconfig"), user);
    return this.run([`--kubeconfig=${kubeconfig}`, ...args]);
  }

  /** Who answers at the Service's cluster IP now: a pod's name, or how the attempt failed. */
  async answers(service: TestService, family: IpFamily = "IPv4", from: MemberName = "p2"): Promise<string> {
    const target = { host: service.clusterIP[family], port: 80, timeoutMs: 500 };
    const [outcome] = await this.bed.probe({ from, protocol: "TCP", ...target });
    return typeof outcome === "object" ? outcome.answeredBy : (outcome ?? "");
  }

  /** Waits until that is who answers. */
  expectAnswer(service: TestService, who: string, family: IpFamily = "IPv4"): Promise<void> {
    return this.eventually(async () => expect(await this.answers(service, family)).toBe(who));
  }

  /** All pods that answer at the Service's cluster IP now. */
  async allAnswers(service: TestService): Promise<string[]> {
    const target = { host: service.clusterIP.IPv4, port: 80, timeoutMs: 500, count: 32 };
    const outcomes = await this.bed.probe({ from: "p2", protocol: "TCP", ...target });
    const names = outcomes.map((outcome) => (typeof outcome === "object" ? outcome.answeredBy : outcome));
    return [...new Set(names)].sort();
  }

  /** The lines about a Service in what the mode's program prints of IPv4, with the packets that each has seen: one written anew begins at zero. */
  async rules(service: TestService): Promise<readonly string[]> {
    const exec = (...argv: string[]): Promise<string> => this.bed.at("node").exec(argv);
    if (this.mode === "iptables") {
      const lines = (await exec("iptables-save", "-c", "-t", "nat")).split("\n");
      return lines.filter((line) => line.includes(service.label));
    }
    const text = await exec("nft", "list", "maps", "ip");
    const key = service.clusterIP.IPv4.replaceAll(".", "\\.");
    return text.match(new RegExp(`\\b${key} \\. tcp \\. 80 [^,}]*[^,}\\s]`, "g")) ?? [];
  }

  /** Looks over and over whether rules about the Service are there; calling the answer ends it and tells how often they were not. */
  watchRules(service: TestService): () => Promise<{ looks: number; misses: number }> {
    const seen = { looks: 0, misses: 0 };
    let ending = false;
    const looking = (async () => {
      while (!ending) {
        seen.looks++;
        if ((await this.rules(service)).length === 0) seen.misses++;
        await delay(30);
      }
    })();
    return async () => {
      ending = true;
      await looking;
      return seen;
    };
  }

  /** Sum of the series of a metric that have these labels. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const samples = parseExposition((await this.fetch(10249, "/metrics")).body);
    return [...samples]
      .filter(
        ([series]) => series.replace(/\{.*/, "") === name && wanted.every((text) => series.includes(text)),
      )
      .reduce((sum, [, value]) => sum + value, 0);
  }

  /** Asks one of the daemon's servers. */
  fetch(port: number, path: string): Promise<FetchAnswer> {
    return this.bed.fetch("node", `http://127.0.0.1:${port}${path}`);
  }

  /** Retries until the assertion holds; a failure shows what the daemon said. */
  async eventually(assertion: () => void | Promise<void>, timeoutMs = 15_000): Promise<void> {
    try {
      await vi.waitFor(assertion, { timeout: timeoutMs, interval: 30 });
    } catch (error) {
      if (error instanceof Error) error.message += `\n\nThe daemon's log:\n${this.#proxy?.log}`;
      throw error;
    }
  }

  /** Waits for the end of the daemon; returns the exit code, or the signal that ended it. */
  async exit(): Promise<number | string | undefined> {
    await this.eventually(() => expect(this.proxy.ended).toBeDefined());
    return this.proxy.ended;
  }

  /** Sends SIGTERM; returns the exit code, or says that the daemon goes on after 5 s. */
  terminate(): Promise<number | string | undefined> {
    return Promise.race([this.proxy.stop(), delay(5_000, "still running", { ref: false })]);
  }
}

const PROGRAMS = { iptables: ["/usr/sbin/iptables", "/usr/sbin/ip6tables"], nftables: ["/usr/sbin/nft"] };

/** Declares tests of the daemon with a testbed for them all, or one skipped test that tells why they cannot run. */
export function describeDaemon(
  title: string,
  tests: (daemon: DaemonTests) => void,
  mode: Mode = "iptables",
): void {
  const missing = missingForTestbed(PROGRAMS[mode]);
  describe(`${title}, ${mode}`, () => {
    if (missing) {
      it.skip(`skipped: ${missing}`);
      return;
    }
    const daemon = new DaemonTests(mode);
    beforeAll(() => daemon.setUp());
    afterAll(() => daemon.tearDown());
    tests(daemon);
  });
}

/** The same in every mode, for what a mode could get wrong. */
export function describeDaemonInModes(title: string, tests: (daemon: DaemonTests) => void): void {
  for (const mode of ["iptables", "nftables"] as const) describeDaemon(title, tests, mode);
}

/** Creates or replaces objects. */
export function put(server: ApiServer, objects: readonly KubeObject[]): void {
  for (const object of objects) server.put(object);
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-daemon-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}
