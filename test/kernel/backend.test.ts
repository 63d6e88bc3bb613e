/** The backend on the real programs and kernel: same rules whatever happened before, and refusals that hit one Service. */
import fc from "fast-check";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Family, IpTables, type Variant } from "#iptables-promise";
import type { ServiceChange } from "../../src/backends/backend.ts";
import type { CompileOptions } from "../../src/backends/iptables/compile-options.ts";
import { IptablesBackend } from "../../src/backends/iptables/iptables-backend.ts";
import { iptablesOptions } from "../support/iptables-options.ts";
import { servicePort } from "../support/service-port.ts";
import { Cluster, history, inFamily } from "../unit/backends/iptables-backend/arbitraries.ts";
import { rulesOf, stateOf } from "../unit/backends/iptables-backend/harness.ts";
import { KERNELS, Namespace, unavailable, VARIANTS } from "./iptables-promise/namespace.ts";

const missing = unavailable();
const it_ = missing === undefined ? it : it.skip;

const SILENT = pino({ level: "silent" });
const TABLES = ["filter", "nat", "mangle"] as const;

let namespace: Namespace;

beforeEach(() => {
  if (missing === undefined) namespace = new Namespace();
});

afterEach(() => {
  if (missing === undefined) namespace[Symbol.dispose]();
});

interface Kernel {
  readonly variant: Variant;
  readonly family: Family;
  readonly chainsPerCommit?: number;
  readonly compile?: Partial<CompileOptions>;
}

class Node {
  readonly backend: IptablesBackend;
  readonly #iptables: IpTables;
  readonly #save: string;
  /** Runs of iptables-restore so far. */
  restores = 0;

  constructor({ variant, family, chainsPerCommit, compile = {} }: Kernel) {
    this.#iptables = new IpTables({ family, variant, exec: namespace.exec });
    this.#save = `${family === "IPv4" ? "iptables" : "ip6tables"}-${variant}-save`;
    const restore = this.#iptables.restore.bind(this.#iptables);
    this.#iptables.restore = (document, options) => {
      this.restores++;
      return restore(document, options);
    };
    this.backend = new IptablesBackend({
      family,
      iptables: this.#iptables,
      compileOptions: async () => iptablesOptions(family, compile),
      readGeneration: () => this.restores,
      logger: SILENT,
      ...(chainsPerCommit === undefined ? {} : { chainsPerCommit }),
    });
  }

  static async start(kernel: Kernel): Promise<Node> {
    const node = new Node(kernel);
    await node.backend.probe();
    return node;
  }

  /** What the kernel holds, by the program itself. */
  dump(): string {
    return TABLES.map((table) => namespace.run(this.#save, ["-t", table])).join("");
  }

  async reset(): Promise<void> {
    await this.#iptables.restore(TABLES.map((table) => `*${table}\nCOMMIT\n`).join(""), { noflush: false });
  }
}

describe.each(KERNELS)("iptables-$variant, $family", ({ variant, family }) => {
  it_("any history leads to the rules of one full pass, which a second full pass leaves alone", async () => {
    const [sample] = fc.sample(fc.tuple(history, history), { numRuns: 1, seed: 20_250_101 });
    const [first, second] = sample!;
    const steps = [...first, ...second];
    const node = await Node.start({ variant, family, chainsPerCommit: 3 });
    const cluster = new Cluster();
    await node.backend.resync([]);
    for (const { changes, full } of steps) {
      cluster.take(changes);
      await (full
        ? node.backend.resync(inFamily(cluster.all, family))
        : node.backend.sync(inFamily(changes, family)));
    }
    const all = inFamily(cluster.all, family);
    const grown = stateOf(node.dump(), { comments: false });

    const restarted = await Node.start({ variant, family });
    await restarted.backend.resync(all);
    const taken = stateOf(node.dump());
    const { restores } = restarted;
    await restarted.backend.resync(all);
    expect(restarted.restores).toBe(restores);

    await node.reset();
    const fresh = await Node.start({ variant, family });
    await fresh.backend.resync(all);
    expect(taken).toEqual(stateOf(fresh.dump()));
    expect(grown).toEqual(stateOf(fresh.dump(), { comments: false }));

    await fresh.backend.cleanup();
    await fresh.backend.cleanup();
    expect(fresh.dump()).not.toContain("KUBE-");
  });

  it_("every kind of rule can be deleted as it was added", async () => {
    const spec = {
      family,
      nodePort: 30_080,
      externalPolicyLocal: true,
      internalPolicyLocal: true,
      healthCheckNodePort: 31_080,
      sourceRanges: [family === "IPv4" ? "192.0.2.0/24" : "2001:db8::/32"],
      externalIPs: [family === "IPv4" ? "198.51.100.1" : "2001:db8:51::1"],
      loadBalancerIPs: [family === "IPv4" ? "203.0.113.1" : "2001:db8:113::1"],
    };
    const pod = family === "IPv4" ? "10.0.0.1" : "fd00:10::1";
    const node = await Node.start({ variant, family });
    await node.backend.resync([]);
    const empty = stateOf(node.dump());
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      for (const endpoints of [{ local: [pod] }, { remote: [pod] }, {}]) {
        const port = servicePort({ ...spec, ...endpoints, protocol });
        const { restores } = node;
        await node.backend.sync([[port.serviceKey, [port]]]);
        await node.backend.sync([[port.serviceKey, []]]);
        expect(node.restores).toBe(restores + 2);
        expect(stateOf(node.dump())).toEqual(empty);
      }
    }
  });
});

describe.each(VARIANTS)("refusals, iptables-%s", (variant) => {
  const NO_SUCH_COUNTER = { nfacct: { ctInvalid: false, localhost: true } };

  const service = (id: number, spec: Parameters<typeof servicePort>[0]): ServiceChange => {
    const key = `ns/s${id}`;
    return [key, [servicePort({ key, clusterIP: `172.30.0.${id}`, ...spec })]];
  };
  const good = (id: number, ...local: string[]): ServiceChange => service(id, { local });

  // The program cannot read the first, the kernel has no counter for the second.
  it_.each([
    { by: "the program", bad: { affinitySeconds: 2 ** 40 } },
    { by: "the kernel", bad: { nodePort: 30_002 } },
  ])("of one Service by $by leave it as it was and take all others", async ({ bad }) => {
    const node = await Node.start({ variant, family: "IPv4", compile: NO_SUCH_COUNTER });
    const all = [1, 2, 3, 4, 5, 6].map((id) => good(id, "10.0.0.1", "10.0.0.2"));
    await node.backend.resync(all);
    const before = rulesOf(node.dump());
    const refusedChange = service(2, { local: ["10.0.0.3"], ...bad });
    const changes = [good(1, "10.0.0.4"), refusedChange, good(7, "10.0.0.7")];
    await expect(node.backend.sync(changes)).rejects.toMatchObject({ code: "RESTORE_FAILED" });
    const now = [good(1, "10.0.0.4"), refusedChange, ...all.slice(2), good(7, "10.0.0.7")];
    const { refused } = await node.backend.resync(now);
    expect(refused.map(({ key }) => key)).toEqual(["ns/s2"]);

    const fresh = rulesOf(node.dump());
    const chainsOf = (rules: typeof before): unknown =>
      [...rules].filter(
        ([, lines]) => lines.some((line) => line.includes("ns/s2:")) && !/KUBE-(SERV|NODE)/.test(lines[0]!),
      );
    expect(chainsOf(fresh)).toEqual(chainsOf(before));
    expect(JSON.stringify([...fresh])).toContain("10.0.0.7:80");
    expect(JSON.stringify([...fresh])).toContain("ns/s1:p80 -> 10.0.0.4:80");

    const { restores } = node;
    expect((await node.backend.sync([good(3, "10.0.0.5")])).refused).toHaveLength(1);
    expect((await node.backend.sync([good(2, "10.0.0.6")])).refused).toEqual([]);
    expect(node.restores).toBe(restores + 2);
    const healed = now.map((change) => (change === refusedChange ? good(2, "10.0.0.6") : change));
    await node.backend.resync(healed.map((change) => (change[0] === "ns/s3" ? good(3, "10.0.0.5") : change)));
    expect(node.restores).toBe(restores + 2);
  });

  it_("at the start leave out two of many", async () => {
    const node = await Node.start({ variant, family: "IPv4", compile: NO_SUCH_COUNTER });
    const all = Array.from({ length: 40 }, (_, i) =>
      i === 7 || i === 23 ? service(i, { local: ["10.0.0.1"], nodePort: 30_000 + i }) : good(i, "10.0.0.1"),
    );
    const { refused } = await node.backend.resync(all);
    expect(refused.map(({ key }) => key).sort()).toEqual(["ns/s23", "ns/s7"]);
    expect(rulesOf(node.dump()).get("nat KUBE-SERVICES")).toHaveLength(38 + 1);
    expect(node.restores).toBeLessThan(variant === "nft" ? 5 : 30);
  });

  it_("of a deletion, because another rule jumps there, are foreseen", async () => {
    const node = await Node.start({ variant, family: "IPv4" });
    await node.backend.resync([good(1, "10.0.0.1"), good(2, "10.0.0.2")]);
    const chain = /KUBE-SVC-\S+/.exec(
      rulesOf(node.dump())
        .get("nat KUBE-SERVICES")!
        .find((rule) => rule.includes("ns/s2:"))!,
    )![0];
    const iptables = (...args: string[]): string =>
      namespace.run(`iptables-${variant}`, ["-w", "-t", "nat", ...args]);
    iptables("-A", "OUTPUT", "-d", "192.0.2.7", "-j", chain);
    const { restores } = node;
    await expect(node.backend.sync([["ns/s2", []]])).rejects.toMatchObject({ code: "RESTORE_FAILED" });
    await node.backend.resync([good(1, "10.0.0.1")]);
    expect(node.restores).toBe(restores + 2);
    expect(rulesOf(node.dump()).get(`nat ${chain}`)).toEqual([]);
    await node.backend.resync([good(1, "10.0.0.1")]);
    expect(node.restores).toBe(restores + 2);
    await expect(node.backend.cleanup()).rejects.toMatchObject({ code: "CHAINS_LEFT" });
    expect(node.dump().match(/^:KUBE-\S+/gm)).toEqual([`:${chain}`]);
    iptables("-D", "OUTPUT", "-d", "192.0.2.7", "-j", chain);
    await node.backend.cleanup();
    expect(node.dump()).not.toContain("KUBE-");
  });
});
