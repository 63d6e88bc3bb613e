/** A full pass: relay, sets and rules become what they should be; only what differs is written. */
import type { IpTablesClient } from "#iptables-promise";
import { ensurePolicyRoute } from "../../kernel/policy-routing.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { Relay } from "../../relay/relay.ts";
import type { ServiceChange } from "../backend.ts";
import { ensureSets } from "../ip-sets/ensure-sets.ts";
import { findSets } from "../ip-sets/find-sets.ts";
import { lackingEntries } from "../ip-sets/set-table.ts";
import { addToSets, removeFromSets } from "../ip-sets/write-entries.ts";
import { repairTable } from "../iptables-chains/constant-rules.ts";
import { readKernel } from "../iptables-chains/read-kernel.ts";
import { RestoreRun } from "../iptables-chains/restore-run.ts";
import { MARKED } from "./names.ts";
import type { UserspaceOptions } from "./options.ts";
import { constantRules, type RelayPorts } from "./rules.ts";
import { ServiceState } from "./service-state.ts";
import { setTable } from "./set-specs.ts";

export interface FullPassInput {
  readonly relay: Relay;
  readonly ports: RelayPorts;
  /** Ids of the virtual ports that the relay may have; kept up to date. */
  readonly ids: Set<string>;
  readonly sets: NetlinkSocket;
  readonly iptables: IpTablesClient;
  readonly all: Iterable<ServiceChange>;
  readonly options: UserspaceOptions;
}

export interface FullPassResult {
  readonly state: ServiceState;
  readonly entriesWritten: number;
  readonly rulesWritten: Readonly<Record<string, number>>;
}

/** Does it: who is redirected meets a relay that knows what to do. Rejects with what the kernel or a program refused. */
export async function fullPass(input: FullPassInput): Promise<FullPassResult> {
  const { relay, ports, ids, sets, iptables, all, options } = input;
  const state = new ServiceState(options);
  for (const [key, servicePorts] of all) state.set(key, servicePorts);
  state.takeDifference();
  ensureMarkedRoute(options);
  const specs = [...state.specs()];
  for (const { id } of specs) ids.add(id);
  await relay.update({ upsert: specs });
  relay.accept();
  const table = setTable(options.family);
  const found = await findSets(sets, table);
  const wanted = state.wantedEntries();
  const exchanged = ensureSets(sets, table, found, wanted);
  const added = lackingEntries(wanted, found.entries, exchanged);
  const refused = addToSets(sets, table, added);
  if (refused[0] !== undefined) throw refused[0][1];
  const rulesWritten = await repairRules(iptables, options, ports);
  const surplus = lackingEntries(found.entries, wanted);
  removeFromSets(sets, table, surplus);
  const gone = [...ids].filter((id) => state.specOf(id) === undefined);
  await relay.update({ remove: gone });
  for (const id of gone) ids.delete(id);
  let entriesWritten = 0;
  for (const entries of [...added.values(), ...surplus.values()]) entriesWritten += entries.length;
  return { state, entriesWritten, rulesWritten };
}

function ensureMarkedRoute({ family, keepSourceMark }: UserspaceOptions): void {
  if (keepSourceMark === 0) return;
  using socket = openRtnetlink();
  ensurePolicyRoute(socket, { family, mark: keepSourceMark, ...MARKED });
}

async function repairRules(
  iptables: IpTablesClient,
  options: UserspaceOptions,
  ports: RelayPorts,
): Promise<Readonly<Record<string, number>>> {
  const kernel = await readKernel(iptables);
  const wanted = constantRules(options, ports);
  const run = new RestoreRun();
  const blocks = (["filter", "mangle", "nat"] as const)
    .map((table) => repairTable(table, kernel, wanted))
    .filter(({ declare, rules }) => declare.length + rules.length > 0);
  await run.apply(iptables, blocks);
  return run.renderer.written;
}
