/** Everything on a node that ipvs mode, or somebody beside it, can have made, as a value that can be compared. */
import { rulesOf } from "../unit/backends/iptables-backend/harness.ts";
import { run } from "./ipvs-node.ts";

export interface VirtualServerState {
  /** As `ipvsadm -Sn` prints them, e.g. `-s rr -p 10800`. */
  readonly settings: string;
  /** The same, sorted, e.g. `10.0.0.1:80 -m -w 1`. */
  readonly realServers: readonly string[];
}

export interface IpvsState {
  /** By name, e.g. `-t 10.96.0.10:80`. */
  readonly virtualServers: Readonly<Record<string, VirtualServerState>>;
  /** Addresses of every device, sorted. */
  readonly addresses: Readonly<Record<string, readonly string[]>>;
  /** Entries by name and form of each set, sorted, e.g. of `KUBE-IPVS-IPS hash:ip family inet maxelem 1048576`. */
  readonly sets: Readonly<Record<string, readonly string[]>>;
  /** By program, table and chain; the kernel's own chains only where they have rules. */
  readonly rules: Readonly<Record<string, readonly string[]>>;
}

/** Reads it of the node that the process is on, with the tools that people use. */
export function ipvsState(): IpvsState {
  return {
    virtualServers: virtualServers(run("ipvsadm", "-S", "-n")),
    addresses: addresses(run("ip", "-j", "address", "show")),
    sets: sets(run("ipset", "save")),
    rules: { ...rules("iptables"), ...rules("ip6tables") },
  };
}

/** Without real servers that get no new connections. */
export function withoutDraining(state: IpvsState): IpvsState {
  const entries = Object.entries(state.virtualServers).map(([name, { settings, realServers }]) => {
    const left = realServers.filter((server) => !server.endsWith(" -w 0"));
    return [name, { settings, realServers: left }] as const;
  });
  return { ...state, virtualServers: Object.fromEntries(entries) };
}

function virtualServers(saved: string): IpvsState["virtualServers"] {
  const found = new Map<string, { settings: string; realServers: string[] }>();
  for (const line of lines(saved)) {
    const [verb = "", kind = "", address = "", ...rest] = line.split(" ");
    const name = `${kind} ${address}`;
    if (verb === "-A") found.set(name, { settings: rest.join(" "), realServers: [] });
    else found.get(name)?.realServers.push(rest.slice(1).join(" "));
  }
  for (const { realServers } of found.values()) realServers.sort();
  return Object.fromEntries(found);
}

function addresses(json: string): IpvsState["addresses"] {
  const links = JSON.parse(json) as readonly {
    readonly ifname: string;
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
  }[];
  return Object.fromEntries(
    links.map(({ ifname, addr_info: found }) => [
      ifname,
      found.map(({ local, prefixlen }) => `${local}/${prefixlen}`).sort(),
    ]),
  );
}

/** The sizes and seeds of hash tables go their own way. */
const PASSING = / (?:hashsize|bucketsize|initval) \S+/g;

function sets(saved: string): IpvsState["sets"] {
  const found = new Map<string, { form: string; entries: string[] }>();
  for (const line of lines(saved)) {
    const [verb = "", name = "", ...rest] = line.replace(PASSING, "").split(" ");
    if (verb === "create") found.set(name, { form: rest.join(" "), entries: [] });
    else found.get(name)?.entries.push(rest.join(" "));
  }
  return Object.fromEntries(
    Array.from(found, ([name, { form, entries }]) => [`${name} ${form}`, entries.sort()]),
  );
}

const BUILT_IN = / (?:PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/;

function rules(program: "iptables" | "ip6tables"): IpvsState["rules"] {
  const chains = [...rulesOf(run(`${program}-legacy-save`))];
  return Object.fromEntries(
    chains
      .filter(([name, found]) => found.length > 0 || !BUILT_IN.test(name))
      .map(([name, found]) => [`${program} ${name}`, found]),
  );
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
