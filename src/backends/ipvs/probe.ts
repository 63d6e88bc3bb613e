/** Whether the kernel has what the mode needs, found out by trying it: what is tried is taken away again. */
import { type IpTablesClient, IpTablesError } from "#iptables-promise";
import { Ipvs, isAlreadyExists, isIpvsMissing, isUnknownScheduler } from "#ipvs-netlink";
import { deleteLink, ensureDummyLink } from "../../kernel/links.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import type { IpFamily } from "../../model/types.ts";
import { isNetlinkError, NetlinkError } from "../../netlink/errors.ts";
import { createSet, destroySet, openIpset } from "../../netlink/ipset/sets.ts";
import { BackendError } from "../backend.ts";
import { SET_ROLES } from "./names.ts";
import { setSpec } from "./set-specs.ts";

export interface ProbeOptions {
  readonly family: IpFamily;
  readonly iptables: IpTablesClient;
  readonly scheduler: string;
}

/** A part of the kernel that is missing. */
interface Missing {
  /** The module that would bring it. */
  readonly module: string;
  readonly why: string;
}

/** Addresses for documentation (RFC 5737, RFC 3849), on which nobody has a virtual server. */
const NOWHERE = { IPv4: "198.51.100.0", IPv6: "2001:db8::" } as const;
const NOWHERE_PORT = 20_000;

/** Throws a BackendError that names every module that is missing, and how to get them. */
export async function probeKernel(options: ProbeOptions): Promise<void> {
  const missing = [...probeIpvs(options), ...probeDevice(), ...probeSets(options)];
  // Only then: trying rules makes the kernel create tables, which would stay.
  if (missing.length === 0) missing.push(...(await probeRules(options)));
  if (missing.length === 0) return;
  const modules = [...new Set(missing.map(({ module }) => module))];
  const reasons = missing.map(({ module, why }) => `${module} (${why})`);
  throw unavailable(
    options.family,
    `kernel modules are missing: ${reasons.join("; ")}. Load them on the host with "modprobe -a ${modules.join(" ")}", ` +
      "and in /etc/modules-load.d for the next start; a container needs the host's /lib/modules to load them itself",
  );
}

function unavailable(family: IpFamily, why: string, cause?: unknown): BackendError {
  return new BackendError("IPVS_UNAVAILABLE", `ipvs does not work for ${family}: ${why}`, { cause });
}

/** IPVS itself and the scheduler, by a virtual server that is gone a moment later. */
function probeIpvs({ family, scheduler }: ProbeOptions): Missing[] {
  try {
    using ipvs = Ipvs.open();
    const id = { protocol: "TCP", address: NOWHERE[family], port: NOWHERE_PORT } as const;
    ipvs.addService({ ...id, scheduler });
    ipvs.deleteService(id);
    return [];
  } catch (error) {
    if (isIpvsMissing(error)) return [{ module: "ip_vs", why: "the kernel has no IPVS" }];
    if (isUnknownScheduler(error))
      return [
        {
          module: `ip_vs_${scheduler}`,
          why: `the kernel has no scheduler ${scheduler}, see --ipvs-scheduler`,
        },
      ];
    // The other family's, or another proxy's, is being tried just now.
    if (isAlreadyExists(error)) return [];
    throw unavailable(family, error instanceof Error ? error.message : String(error), error);
  }
}

const SET_MODULES: Readonly<Record<string, string>> = {
  "hash:ip": "ip_set_hash_ip",
  "hash:ip,port": "ip_set_hash_ipport",
  "hash:ip,port,ip": "ip_set_hash_ipportip",
  "hash:ip,port,net": "ip_set_hash_ipportnet",
  "bitmap:port": "ip_set_bitmap_port",
};

/** Every type of set that we have. */
function probeSets({ family }: ProbeOptions): Missing[] {
  const missing: Missing[] = [];
  const types = new Map(SET_ROLES.map((role) => setSpec(family, role)).map((spec) => [spec.type, spec]));
  using socket = openIpset();
  for (const [type, spec] of types) {
    const trial = { ...spec, name: trialName(family) };
    try {
      createSet(socket, trial);
      destroySet(socket, trial.name);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (error.code === "EPERM") throw unavailable(family, error.message, error);
      missing.push({ module: SET_MODULES[type] ?? "ip_set", why: error.message });
    }
  }
  return missing;
}

function trialName(family: IpFamily): string {
  return `KUBE-TRIAL-${family}-${process.pid}`;
}

function probeDevice(): Missing[] {
  const name = `kube-try${process.pid % 1_000_000}`;
  try {
    using socket = openRtnetlink();
    ensureDummyLink(socket, name);
    deleteLink(socket, name);
    return [];
  } catch (error) {
    if (!isNetlinkError(error, "EOPNOTSUPP", "EINVAL")) throw error;
    return [{ module: "dummy", why: "the kernel has no dummy devices" }];
  }
}

/** A rule with a match or target that the mode's rules have, and the module that brings it. */
type TrialRule = readonly [module: string, table: "nat" | "filter", rule: string];

const TRIAL_RULES: readonly TrialRule[] = [
  ["xt_set", "nat", "-m set --match-set SET dst,dst -j RETURN"],
  ["xt_comment", "nat", '-m comment --comment "kube-proxy" -j RETURN'],
  ["xt_addrtype", "nat", "-m addrtype --dst-type LOCAL -j RETURN"],
  ["xt_mark", "nat", "-m mark --mark 0x1/0x1 -j MARK --or-mark 0x1"],
  ["xt_MASQUERADE", "nat", "-j MASQUERADE"],
  ["xt_conntrack", "filter", "-m conntrack --ctstate NEW -j RETURN"],
  ["ipt_REJECT", "filter", "-j REJECT"],
];

/** Needs no module of its own. */
const PLAIN_RULE: TrialRule = ["", "nat", "-j RETURN"];

/** Matches and targets, in a chain that nothing leads to: all at once, and one by one to find those that are missing. */
async function probeRules({ family, iptables }: ProbeOptions): Promise<Missing[]> {
  using socket = openIpset();
  const set = { ...setSpec(family, "clusterIP"), name: trialName(family) };
  createSet(socket, set);
  const refusal = async (...rules: TrialRule[]): Promise<string | undefined> => {
    try {
      await iptables.restore(trialDocument(rules, set.name));
      return undefined;
    } catch (error) {
      if (error instanceof IpTablesError) return error.message.split("\n")[0];
      throw error;
    }
  };
  try {
    if ((await refusal(...TRIAL_RULES)) === undefined) return [];
    // Else the blame for an iptables that does not work would fall on its parts.
    const general = await refusal(PLAIN_RULE);
    if (general !== undefined) throw unavailable(family, general);
    const missing: Missing[] = [];
    for (const rule of TRIAL_RULES) {
      const why = await refusal(rule);
      if (why !== undefined) missing.push({ module: rule[0], why });
    }
    return missing;
  } finally {
    destroySet(socket, set.name);
  }
}

/** Puts rules into a chain of their own in each table, and takes all away. */
function trialDocument(rules: readonly TrialRule[], set: string): string {
  const chain = `KUBE-TRIAL-${process.pid}`;
  const tables = new Set(rules.map(([, table]) => table));
  const blocks = (lines: (table: string) => readonly string[]): string[] =>
    [...tables].flatMap((table) => [`*${table}`, `:${chain} - [0:0]`, ...lines(table), "COMMIT"]);
  const added = (table: string): string[] =>
    rules
      .filter(([, where]) => where === table)
      .map(([, , rule]) => `-A ${chain} ${rule.replace("SET", set)}`);
  return `${[...blocks(added), ...blocks(() => [`-X ${chain}`])].join("\n")}\n`;
}
