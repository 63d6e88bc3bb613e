/** What the kernel has of our table, element by element, and whether its rules are the ones we would make. */

import { readGeneration } from "../../netlink/nftables/batch.ts";
import { comparableExpressions } from "../../netlink/nftables/comparable.ts";
import { commentUserdata } from "../../netlink/nftables/data-types.ts";
import type { ChainInfo, SetInfo } from "../../netlink/nftables/decode.ts";
import { dumpElements, type ElementReader } from "../../netlink/nftables/dump-elements.ts";
import type { TableRef } from "../../netlink/nftables/objects.ts";
import { NFT_SET_ELEM_INTERVAL_END, NFT_SET_EVAL } from "../../netlink/nftables/protocol.ts";
import { listChains, listRules, listSets, listTables } from "../../netlink/nftables/read.ts";
import { type NetlinkSocket, untilConsistent } from "../../netlink/socket.ts";
import { baseRequests, comparableRules, revisionOf } from "./base-table.ts";
import { INTERVAL_END, INTERVAL_SETS, INTERVAL_START } from "./element-change.ts";
import * as layout from "./layout.ts";
import type { RuleOptions } from "./options.ts";
import { affinityChain, type Chain, constantChains, drawChain } from "./rules.ts";

/** Keys and values as in ElementChange. */
export type Elements = Map<string, Map<string, string>>;

export interface TableState {
  /** Number of the ruleset's generation at which all this was so. */
  readonly generation: number;
  /** A table of our name exists. */
  readonly exists: boolean;
  /** Why the table must be made anew; undefined if its rules are right. */
  readonly mismatch: string | undefined;
  /** By set; empty when the table is not to be kept. */
  readonly elements: Elements;
  /** Numbers of elements of the maps of endpoints that were not read. */
  readonly unread: ReadonlyMap<string, number>;
  /** Chains made for what some Services need. */
  readonly chains: ReadonlySet<string>;
}

/** Maps that may be big, and that need not be read (see kernel-rings.ts). */
const ENDPOINTS: ReadonlySet<string> = new Set(
  layout.ROUTES.map((route) => layout.routeNames(route).endpoints),
);

/** Reads the table in one consistent state. Throws a NetlinkError. */
export function readTable(socket: NetlinkSocket, options: RuleOptions): Promise<TableState> {
  return untilConsistent(async () => {
    const generation = readGeneration(socket);
    const table = layout.tableOf(options.family);
    const info = (await listTables(socket, table.family)).find(({ name }) => name === table.name);
    const nothing = {
      generation,
      exists: info !== undefined,
      elements: new Map(),
      unread: new Map<string, number>(),
      chains: new Set<string>(),
    };
    if (info === undefined) return { ...nothing, mismatch: "there is no table" };
    const revision = revisionOf(baseRequests(options).slice(1));
    if (info.userdata === undefined || !info.userdata.equals(commentUserdata(revision)))
      return { ...nothing, mismatch: "the table was made by another program, version or configuration" };
    const chains = await listChains(socket, table);
    const sets = await listSets(socket, table);
    const mismatch = compareSets(sets, options) ?? (await compareChains(socket, table, chains, options));
    if (mismatch !== undefined) return { ...nothing, mismatch };
    const elements: Elements = new Map();
    const unread = new Map<string, number>();
    for (const { name, flags, count } of sets) {
      // What packets fill is not ours to keep in order.
      if ((flags & NFT_SET_EVAL) !== 0) continue;
      if (count === 0) elements.set(name, new Map());
      else if (ENDPOINTS.has(name) && count !== undefined) unread.set(name, count);
      else elements.set(name, await readElements(socket, table, name));
    }
    const extra = chains.map(({ name }) => name).filter((name) => extraChain(name, options) !== undefined);
    return { ...nothing, mismatch: undefined, elements, unread, chains: new Set(extra) };
  });
}

function compareSets(sets: readonly SetInfo[], options: RuleOptions): string | undefined {
  const present = new Map(sets.map((set) => [set.name, set]));
  for (const { name, key } of layout.setSpecs(options.family, options.counters)) {
    const set = present.get(name);
    if (set === undefined || set.keyLength !== key.length) return `set ${name} is missing or of another kind`;
    present.delete(name);
  }
  const [foreign] = present.keys();
  return foreign === undefined ? undefined : `set ${foreign} is not ours`;
}

async function compareChains(
  socket: NetlinkSocket,
  table: TableRef,
  chains: readonly ChainInfo[],
  options: RuleOptions,
): Promise<string | undefined> {
  const rules = Map.groupBy(await listRules(socket, table), ({ chain }) => chain);
  const missing = new Map(constantChains(options).map((chain) => [chain.name, chain]));
  for (const { name, hook } of chains) {
    const chain = missing.get(name) ?? extraChain(name, options);
    missing.delete(name);
    if (chain === undefined) return `chain ${name} is not ours`;
    if (
      hook?.hook !== chain.hook?.hook ||
      hook?.priority !== chain.hook?.priority ||
      hook?.type !== chain.hook?.type
    )
      return `chain ${name} hangs on another hook`;
    const present = (rules.get(name) ?? []).map(({ expressions }) => comparableExpressions(expressions));
    const wanted = comparableRules(chain);
    if (present.length !== wanted.length || present.some((rule, i) => rule !== wanted[i]))
      return `chain ${name} has other rules`;
  }
  const [absent] = missing.keys();
  return absent === undefined ? undefined : `chain ${absent} is missing`;
}

/** The chain that we would make under a name, if it is one that only some Services need. */
export function extraChain(name: string, options: RuleOptions): Chain | undefined {
  const count = layout.parseDrawChain(name);
  if (count !== undefined) return drawChain(count);
  const affinity = layout.parseAffinityChain(name);
  return affinity && affinityChain(options, affinity.route, affinity.seconds);
}

/** All elements of a set. Throws EINTR if somebody changed any table meanwhile. */
export async function readElements(
  socket: NetlinkSocket,
  table: TableRef,
  name: string,
): Promise<Map<string, string>> {
  const elements = new Map<string, string>();
  for await (const reader of dumpElements(socket, table, name)) {
    while (reader.next()) elements.set(elementKey(name, reader), elementValue(reader));
  }
  return elements;
}

function elementKey(set: string, reader: ElementReader): string {
  if (!INTERVAL_SETS.has(set)) return reader.key() + (reader.keyEnd() ?? "");
  const isEnd = (reader.flags & NFT_SET_ELEM_INTERVAL_END) !== 0;
  return reader.key() + (isEnd ? INTERVAL_END : INTERVAL_START);
}

function elementValue(reader: ElementReader): string {
  const verdict = reader.verdict();
  if (verdict === undefined) return reader.data() ?? "";
  if (typeof verdict === "string") return verdict;
  return "goto" in verdict ? verdict.goto : verdict.jump;
}
