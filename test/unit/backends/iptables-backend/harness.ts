/** A backend on a rule set in memory that can be told to refuse, and ways to look at what it made. */
import pino from "pino";
import {
  FakeIpTables,
  type FakeOptions,
  type Input,
  IpTablesError,
  type Outcome,
  parseSave,
  type RestoreOptions,
} from "#iptables-promise";
import type { CompileOptions } from "../../../../src/backends/iptables/compile-options.ts";
import { IptablesBackend } from "../../../../src/backends/iptables/iptables-backend.ts";
import type { ServicePort } from "../../../../src/model/types.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";

const SILENT = pino({ level: "silent" });

/** The fake, with a record of all restores and with failures to order. */
export class TestKernel extends FakeIpTables {
  /** Documents given to restore, successful or not. */
  readonly restores: string[] = [];
  /** Lines that the kernel refuses. */
  refuses: (line: string) => boolean = () => false;
  /** Whether it says which line it refused. */
  namesLines = true;
  /** Errors of the next restores, before anything is done. */
  readonly failures: IpTablesError[] = [];
  /** Called after each commit of each table. */
  onCommit: () => void = () => {};

  override async restore(input: Input, options: RestoreOptions = {}): Promise<Outcome> {
    let document = "";
    for await (const chunk of typeof input === "string" ? [input] : input) document += chunk;
    this.restores.push(document);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    let line = 0;
    let outcome: Outcome = { durationMs: 0, stderr: "" };
    for (const block of document.split(/(?<=^COMMIT\n)/m)) {
      const lines = block.trimEnd().split("\n");
      const refused = lines.findIndex((text) => this.refuses(text));
      if (refused !== -1) throw this.#refusal(line + refused + 1, lines[refused]!);
      outcome = await super.restore(block, options);
      line += lines.length;
      this.onCommit();
    }
    return outcome;
  }

  #refusal(line: number, text: string): IpTablesError {
    const failures = this.namesLines ? [{ line, text, message: "no", context: [] }] : [];
    return new IpTablesError("IPTABLES_RESTORE_FAILED", "refused", { exitCode: 1, failures });
  }
}

/** A failure that has nothing to do with the document. */
export function lockTimeout(): IpTablesError {
  return new IpTablesError("IPTABLES_LOCK_TIMEOUT", "Another app is currently holding the xtables lock");
}

export interface TestBackend {
  readonly kernel: TestKernel;
  readonly backend: IptablesBackend;
}

export interface TestBackendOptions {
  readonly variant?: FakeOptions["variant"] & {};
  /** What the kernel holds at first. */
  readonly rules?: string;
  readonly compile?: Partial<CompileOptions>;
  readonly chainsPerCommit?: number;
}

/** A backend that has been probed, on a kernel without Services. */
export async function startBackend(options: TestBackendOptions = {}): Promise<TestBackend> {
  const { variant = "nft", rules = "", compile = {}, chainsPerCommit } = options;
  const kernel = new TestKernel({ family: "IPv4", variant, rules });
  const backend = new IptablesBackend({
    family: "IPv4",
    iptables: kernel,
    compileOptions: async () => iptablesOptions("IPv4", compile),
    readGeneration: () => kernel.restores.length,
    logger: SILENT,
    ...(chainsPerCommit === undefined ? {} : { chainsPerCommit }),
  });
  await backend.probe();
  return { kernel, backend };
}

/** `table chain` → rules as saved. */
export function rulesOf(dump: string): Map<string, readonly string[]> {
  const rules = new Map<string, readonly string[]>();
  for (const { name, chains } of parseSave(dump).tables) {
    for (const [chain, saved] of chains) {
      rules.set(
        `${name} ${chain}`,
        saved.rules.map(({ line }) => line),
      );
    }
  }
  return rules;
}

const SHARED = /^KUBE-(SERVICES|NODEPORTS|EXTERNAL-SERVICES|PROXY-FIREWALL)$/;

/**
 * The state that matters: Services may come in any order in chains they share, but the way to the node ports comes last.
 * @param comments false: those on the rules of endpoints, which depend on the size of the cluster, do not count
 */
export function stateOf(dump: string, { comments = true } = {}): Record<string, readonly string[]> {
  const state: Record<string, readonly string[]> = {};
  for (const [name, rules] of rulesOf(dump)) {
    const [table = "", chain = ""] = name.split(" ");
    if (SHARED.test(chain)) {
      const last = table === "nat" && chain === "KUBE-SERVICES" ? -1 : rules.length;
      state[name] = [...rules.slice(0, last).sort(), ...rules.slice(last)];
    } else if (!comments && /^KUBE-S(VC|VL|EP)-/.test(chain)) {
      state[name] = rules.map((rule) => rule.replace(/ -m comment --comment (?:"[^"]*"|\S+)/, ""));
    } else {
      state[name] = rules;
    }
  }
  return state;
}

/** Where a packet to a cluster IP can end up: every `ip:port` that DNAT rules reach from nat KUBE-SERVICES. */
export function reachable(dump: string, { clusterIP, port, protocol }: ServicePort): string[] {
  const rules = rulesOf(dump);
  const to = `-d ${clusterIP}/32 -p ${protocol.toLowerCase()} `;
  const entries = rules
    .get("nat KUBE-SERVICES")
    ?.filter((rule) => rule.includes(to) && rule.includes(` --dport ${port} `));
  const found = new Set<string>();
  const follow = (rule: string): void => {
    const target = / -j (\S+)/.exec(rule)?.[1] ?? "";
    if (target === "DNAT") found.add(rule.split(" ").at(-1)!);
    else if (target !== "KUBE-MARK-MASQ") for (const next of rules.get(`nat ${target}`) ?? []) follow(next);
  };
  entries?.forEach(follow);
  return [...found].sort();
}
