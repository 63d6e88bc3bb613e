/** A full pass: from what the kernel holds to what it should hold, writing only the difference. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IpTablesClient } from "#iptables-promise";
import type { ListedVirtualServer } from "#ipvs-netlink";
import { ensureDummyLink } from "../../kernel/links.ts";
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import type { ServiceChange } from "../backend.ts";
import { ensureSets } from "../ip-sets/ensure-sets.ts";
import { findSets } from "../ip-sets/find-sets.ts";
import { lacking, lackingEntries } from "../ip-sets/set-table.ts";
import { repairTable } from "../iptables-chains/constant-rules.ts";
import { readKernel } from "../iptables-chains/read-kernel.ts";
import { RestoreRun } from "../iptables-chains/restore-run.ts";
import { removeObsolete } from "./cleanup.ts";
import { ADDRESSES, SERVERS } from "./compile-service.ts";
import { entriesOf } from "./difference.ts";
import { findAddresses, findServers } from "./found.ts";
import type { IpvsKernel } from "./kernel.ts";
import type { SetRole } from "./names.ts";
import type { IpvsOptions } from "./options.ts";
import { isExcluded, isOurs, type Traces } from "./ownership.ts";
import { planDeletion, planRepair } from "./plan-servers.ts";
import type { Refusals } from "./refusals.ts";
import { constantRules } from "./rules.ts";
import { ServiceState } from "./service-state.ts";
import { setTable } from "./set-specs.ts";
import { ownEntry, parseServer, parseServerKey } from "./virtual-server.ts";
import { type Inventory, type ServerPlan, Writer } from "./writer.ts";

/** Virtual servers written in one go, before the other family and the rest of the program get their turn. */
const SERVERS_PER_TURN = 200;

export interface FullPassInput {
  readonly kernel: IpvsKernel;
  readonly iptables: IpTablesClient;
  readonly all: Iterable<ServiceChange>;
  readonly options: IpvsOptions;
  /** Remember which virtual servers belong to which port. */
  readonly counts: boolean;
  readonly refusals: Refusals;
}

export interface FullPassResult {
  readonly state: ServiceState;
  readonly writer: Writer;
  /** Rules written, by table. */
  readonly rulesWritten: Readonly<Record<"nat" | "filter" | "mangle", number>>;
  /** Seconds. */
  readonly phases: Readonly<Record<string, number>>;
}

/**
 * Does it, in the order that a new node needs: sets and rules first, as without them replies go astray; then virtual
 * servers, those of the API server and of DNS before all others; and last what is there too much.
 * Throws an IpvsError, NetlinkError, IpTablesError or BackendError, after which part of it may have been done.
 */
export async function fullPass(input: FullPassInput): Promise<FullPassResult> {
  const { kernel, options, counts, all, refusals } = input;
  const { family } = options;
  const clock = new Phases();
  const state = new ServiceState(options, counts);
  for (const [key, ports] of all) state.set(key, ports);
  state.takeChanges();
  const wanted = wantedOf(state);
  clock.end("compile");
  const table = setTable(family);
  const sets = await findSets(kernel.sets, table);
  const { bound } = await findAddresses(kernel.links, family);
  const servers = await findServers(kernel, family);
  const traces = { entries: sets.entries, bound, localAddresses: options.localAddresses };
  // Also on addresses that are about to be bound, nobody else has any business.
  const range = { ...traces, bound: new Set([...bound, ...wanted.addresses]) };
  const ours = [...servers.keys()].filter((key) => isOurs(parseServerKey(key), range));
  clock.end("read");
  const exchanged = ensureSets(kernel.sets, table, sets, wanted.entries);
  const { link } = ensureDummyLink(kernel.links, VIRTUAL_DEVICE);
  const writer = new Writer({ kernel, family, options, state, refusals, device: link.index });
  writer.addEntries(lackingEntries(wanted.entries, sets.entries, exchanged));
  // What upstream's mode left is known by traces that may be gone when this pass fails and another has to be made.
  const known = ours.map((key) => ownEntry(key)[1]);
  writer.addEntries(new Map([["servers", lacking(new Set(known), sets.entries.get("servers"))]]));
  clock.end("sets");
  const rulesWritten = await repairRules(input);
  clock.end("rules");
  writer.own(wanted);
  await writeWanted(input, writer, state, { servers, bound });
  await removeSurplus(input, writer, wanted, { traces, ours });
  clock.end("servers");
  return { state, writer, rulesWritten, phases: clock.seconds };
}

/** Everything that should be in the kernel. */
function wantedOf(state: ServiceState): Inventory {
  const entries = new Map<SetRole, Set<string>>();
  const servers = new Set<string>();
  const addresses = new Set<string>();
  let realServers = 0;
  const add = (role: SetRole, entry: string): void => {
    const set = entries.get(role);
    if (set === undefined) entries.set(role, new Set([entry]));
    else set.add(entry);
  };
  for (const { set, key, value } of state.effectiveClaims()) {
    if (set === SERVERS) {
      const server = parseServer(value);
      servers.add(key);
      realServers += server.endpoints.length;
      for (const [role, entry] of entriesOf(key, server)) add(role, entry);
    } else if (set === ADDRESSES) {
      addresses.add(key);
      add("ipvsIPs", key);
    } else {
      add(set as SetRole, key);
    }
  }
  return { entries, servers, realServers, addresses };
}

async function repairRules({ iptables, options }: FullPassInput): Promise<FullPassResult["rulesWritten"]> {
  const kernel = await readKernel(iptables);
  const wanted = constantRules(options);
  const run = new RestoreRun();
  const blocks = (["mangle", "nat", "filter"] as const)
    .map((table) => repairTable(table, kernel, wanted))
    .filter(({ declare, rules }) => declare.length + rules.length > 0);
  await run.apply(iptables, blocks);
  await removeObsolete(iptables, kernel);
  return run.renderer.written;
}

/** Adds and mends virtual servers and binds their addresses, Service by Service. */
async function writeWanted(
  { kernel, options }: FullPassInput,
  writer: Writer,
  state: ServiceState,
  found: { readonly servers: ReadonlyMap<string, ListedVirtualServer>; readonly bound: ReadonlySet<string> },
): Promise<void> {
  let plans: ServerPlan[] = [];
  let unbound: string[] = [];
  const flush = async (): Promise<void> => {
    writer.writeServers(plans);
    writer.bind(unbound);
    plans = [];
    unbound = [];
    await nextTurn();
  };
  for (const owner of state.owners()) {
    for (const { set, key, value } of state.effective(owner)) {
      if (set === ADDRESSES && !found.bound.has(key)) unbound.push(key);
      if (set !== SERVERS) continue;
      const service = found.servers.get(key);
      const present = service && { service, destinations: await kernel.ipvs.destinations(service) };
      const changes = planRepair(key, present, parseServer(value), options, writer.draining);
      if (changes.length > 0) plans.push({ key, changes });
    }
    if (plans.length >= SERVERS_PER_TURN) await flush();
  }
  await flush();
}

/** Takes away what is ours and not wanted; virtual servers of others, and those that are excluded, stay. */
async function removeSurplus(
  { options }: FullPassInput,
  writer: Writer,
  wanted: Inventory,
  { traces, ours }: { readonly traces: Traces; readonly ours: readonly string[] },
): Promise<void> {
  writer.unbind(lacking(traces.bound, wanted.addresses));
  const stale = ours.filter((key) => !wanted.servers.has(key));
  const removed = stale.filter((key) => !isExcluded(parseServerKey(key).ip, options.excludeCIDRs));
  writer.writeServers(removed.map((key) => ({ key, changes: [planDeletion(key, writer.draining)] })));
  const surplus = lackingEntries(traces.entries, wanted.entries);
  const named = new Set([...(surplus.get("servers") ?? []), ...stale.map((key) => ownEntry(key)[1])]);
  writer.removeEntries(surplus.set("servers", [...named]));
}

/** Seconds of one step after the other. */
class Phases {
  readonly seconds: Record<string, number> = {};
  #since = performance.now();

  end(phase: string): void {
    const now = performance.now();
    this.seconds[phase] = (now - this.#since) / 1000;
    this.#since = now;
  }
}
