/**
 * A throw-away cluster network for tests and the demo: see the drawing in addresses.ts. All of it lives in namespaces that
 * the kernel removes when their processes end, and those end with this process, whatever happens to it.
 */
import { accessSync } from "node:fs";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { HOSTS, MEMBERS, type MemberName, type PodName } from "./addresses.ts";
import type { Attempt, FetchAnswer, ProbeOutcome, ProbeRequest, TrafficRequest } from "./agent-protocol.ts";
import { Namespace } from "./namespace.ts";
import { KubeProxy, type ProxyOptions } from "./proxy.ts";
import { CLIENT_SYSCTLS, SYSCTLS } from "./sysctls.ts";
import { bridgeLines, clientLines, nodeLines, plugLines, podLines, worldLines } from "./wiring.ts";

/** TCP and UDP ports that every pod answers on, unless told otherwise. */
export const POD_PORTS = [8080];

/** Nobody serves here, so every member refuses. */
const GREETING_PORT = 7;

export interface TestbedOptions {
  /** Default: all of them. */
  readonly pods?: readonly PodName[];
  /** Default: {@link POD_PORTS}. */
  readonly podPorts?: readonly number[];
}

export interface Probe extends Omit<ProbeRequest, "op" | "count" | "timeoutMs"> {
  readonly from: MemberName;
  /** Default 1. */
  readonly count?: number;
  /** Default 4000: silence is then a failure. Pass less where silence is expected. */
  readonly timeoutMs?: number;
}

/** Why no testbed can run here; `undefined` if one can. */
export function missingForTestbed(programs: readonly string[] = []): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root (it makes network namespaces)";
  const needed = ["/usr/bin/nsenter", "/usr/bin/unshare", "/usr/bin/setpriv", "/usr/sbin/ip", ...programs];
  const missing = needed.filter((program) => !exists(program));
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

export class Testbed {
  readonly #namespaces: ReadonlyMap<MemberName, Namespace>;
  readonly #proxies: KubeProxy[] = [];

  static async create(options: TestbedOptions = {}): Promise<Testbed> {
    const pods = options.pods ?? (["p1", "p2", "p3", "r1", "r2"] as const);
    const names: MemberName[] = [...HOSTS, ...pods];
    const started = await Promise.allSettled(names.map((name) => Namespace.create(name)));
    const namespaces = started
      .filter((result) => result.status === "fulfilled")
      .map((result) => result.value);
    const bed = new Testbed(namespaces);
    try {
      const failed = started.find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
      await bed.#wire(pods);
      await Promise.all(pods.map((pod) => bed.serve(pod, { ports: options.podPorts ?? POD_PORTS })));
      await bed.#greet();
      return bed;
    } catch (error) {
      await bed.dispose();
      throw error;
    }
  }

  private constructor(namespaces: readonly Namespace[]) {
    this.#namespaces = new Map(namespaces.map((namespace) => [namespace.name as MemberName, namespace]));
  }

  /** The namespace of one member. */
  at(name: MemberName): Namespace {
    const namespace = this.#namespaces.get(name);
    if (!namespace) throw new Error(`this testbed has no ${name}`);
    return namespace;
  }

  address(name: MemberName, family: IpFamily): string {
    return MEMBERS[name].address[family];
  }

  /** Makes a member answer on TCP and UDP ports with its name and the client's address. Default host: any address. */
  async serve(name: MemberName, at: { hosts?: readonly string[]; ports: readonly number[] }): Promise<void> {
    await this.at(name).ask({ op: "serve", name, hosts: at.hosts ?? ["::"], ports: at.ports });
  }

  /** Connects from one member and tells what each attempt met. */
  probe({ from, count = 1, timeoutMs = 4_000, ...rest }: Probe): Promise<readonly ProbeOutcome[]> {
    return this.at(from).ask({ op: "probe", count, timeoutMs, ...rest });
  }

  /** Connects from one member without a pause for a while. */
  traffic(from: MemberName, request: Omit<TrafficRequest, "op">): Promise<readonly Attempt[]> {
    return this.at(from).ask({ op: "traffic", ...request });
  }

  /** Fetches `http://HOST:PORT/PATH` as one member, e.g. the proxy's own servers as the node. */
  fetch(from: MemberName, url: string): Promise<FetchAnswer> {
    return this.at(from).ask({ op: "fetch", url });
  }

  /** Starts the real program inside `node`; resolves when it has programmed the given objects. */
  async startProxy(options: ProxyOptions): Promise<KubeProxy> {
    const proxy = await KubeProxy.start(this, options);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** Ends every process; the network goes with them. */
  async dispose(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.kill()));
    await Promise.all([...this.#namespaces.values()].map((namespace) => namespace.dispose()));
  }

  async #wire(pods: readonly PodName[]): Promise<void> {
    const local = pods.filter((pod) => MEMBERS[pod].on === "node");
    const remote = pods.filter((pod) => MEMBERS[pod].on === "node2");
    const everyone = [...this.#namespaces.keys()];
    await Promise.all(
      everyone.map((name) => this.#sysctl(name, name === "x" ? SYSCTLS + CLIENT_SYSCTLS : SYSCTLS)),
    );
    await this.#ip("world", bridgeLines());
    const pidOf = (name: MemberName): number => this.at(name).pid;
    const plug = (name: MemberName): Promise<void> => this.#ip(name, plugLines(name, pidOf));
    // The wire first: a node's first interface should be the one that leads out.
    await Promise.all(HOSTS.filter((name) => name !== "world").map(plug));
    await Promise.all(pods.map(plug));
    await Promise.all([
      this.#ip("world", worldLines(HOSTS)),
      this.#ip("node", nodeLines("node", local)),
      this.#ip("node2", nodeLines("node2", remote)),
      this.#ip("x", clientLines()),
      ...pods.map((pod) => this.#ip(pod, podLines(pod))),
    ]);
  }

  /** Lets the node meet everybody once: later bursts would overflow the queue of an address not yet resolved. */
  async #greet(): Promise<void> {
    const others = [...this.#namespaces.keys()].filter((name) => name !== "node");
    const hosts = others.flatMap((name) => IP_FAMILIES.map((family) => this.address(name, family)));
    const greet = (host: string) => this.probe({ from: "node", protocol: "UDP", host, port: GREETING_PORT });
    const outcomes = await Promise.all(hosts.map(greet));
    const silent = hosts.filter((_host, index) => outcomes[index]?.[0] !== "refused");
    if (silent.length > 0) throw new Error(`the testbed's node cannot reach ${silent.join(", ")}`);
  }

  async #sysctl(name: MemberName, settings: string): Promise<void> {
    await this.at(name).exec(["sysctl", "-q", "-e", "-p", "-"], settings);
  }

  async #ip(name: MemberName, lines: readonly string[]): Promise<void> {
    await this.at(name).exec(["ip", "-batch", "-"], `${lines.join("\n")}\n`);
  }
}
