/** What the tests of nf_tables over netlink do inside a network namespace; see kernel-calls.ts. */
import { execFileSync } from "node:child_process";
import { AttributeWriter } from "../../src/netlink/attributes.ts";
import { isNetlinkError } from "../../src/netlink/errors.ts";
import { commit, openNftables, readGeneration } from "../../src/netlink/nftables/batch.ts";
import { comparableExpressions } from "../../src/netlink/nftables/comparable.ts";
import { dumpElements } from "../../src/netlink/nftables/dump-elements.ts";
import { addElements } from "../../src/netlink/nftables/elements.ts";
import * as e from "../../src/netlink/nftables/expressions.ts";
import { type ForeignChange, NftMonitor } from "../../src/netlink/nftables/monitor.ts";
import {
  addChain,
  addRule,
  addressFamily,
  addSet,
  addTable,
  type TableRef,
} from "../../src/netlink/nftables/objects.ts";
import { NFTA_RULE_EXPRESSIONS } from "../../src/netlink/nftables/protocol.ts";
import { listChains, listRules, listSets, listTables } from "../../src/netlink/nftables/read.ts";

/** Runs `nft`, whose transaction is committed and told of when it ends. */
const nft = (input: string): void => {
  execFileSync("nft", ["-f", "-"], { input, timeout: 20_000 });
};

export interface ElementsArgument {
  readonly table: TableRef;
  readonly set: string;
}

export interface ReadElement {
  readonly key: string;
  readonly data: string | undefined;
  readonly verdict: unknown;
  readonly packets: number;
  readonly countedBytes: number;
  readonly timeoutMs: number;
  readonly expiresMs: number;
}

/** One step of a test of the monitor: text for `nft`, so many elements added by it, or what else its name says. */
export type WatchStep =
  | { readonly nft: string }
  | { readonly flood: number }
  | "own change"
  | "pause"
  | "resume"
  | "poll";

export interface Watched {
  readonly changes: readonly ForeignChange[];
  readonly overflows: number;
  /** After the last step. */
  readonly generation: number;
}

const hex = (latin1: string | undefined) => latin1 && Buffer.from(latin1, "latin1").toString("hex");

/** Rules that have their place in base chains only. */
function natRules(family: "ip" | "ip6"): Readonly<Record<"pre" | "post", readonly e.Expression[]>> {
  const address = Buffer.alloc(family === "ip" ? 4 : 16, 1);
  return {
    pre: [
      e.meta("l4proto", 0),
      e.compare(0, "==", Buffer.from([6])),
      e.immediate(address, 4),
      e.immediate(Buffer.from([0, 80]), 8),
      e.dnat(addressFamily(family), 4, 8),
      e.verdict({ goto: "end" }),
    ],
    post: [e.masquerade(), e.verdict({ jump: "end" })],
  };
}

/** Every other expression that we write, in rules that need nothing outside the table. */
function everyRule(family: "ip" | "ip6"): (readonly e.Expression[])[] {
  const word = (text: string) => Buffer.from(text, "hex");
  const rules: (readonly e.Expression[])[] = [
    [e.immediate(word("00400000"), 0), e.metaSet("mark", 0), e.metaSet("priority", 0)],
    [e.meta("iifname", 4), e.compare(4, "==", Buffer.from("lo\0".padEnd(16, "\0")))],
    [e.meta("l4proto", 1), e.compare(1, "!=", word("06")), e.counter()],
    [
      e.ct("state", 2),
      e.bitwise(2, 2, word("08000000"), word("00000000")),
      e.compare(2, "!=", word("00000000")),
    ],
    [e.ct("status", 8), e.immediate(word("00000000"), 9)],
    [e.fibType("daddr", 12), e.fibType("saddr", 3)],
    [e.payload("network", 16, 4, 0), e.payload("transport", 2, 2, 5), e.inSet("s", 0)],
    [e.meta("mark", 0), e.inSet("s", 0, true), e.lookup("m", 0, 4)],
    [e.meta("mark", 8), e.lookupVerdict("v", 8)],
    [e.meta("mark", 0), e.random(7, 4), e.dynset("update", "d", { key: 0, data: 4, timeoutSeconds: 10_800 })],
    [e.meta("mark", 0), e.immediate(word("00000000"), 4), e.dynset("delete", "d", { key: 0, data: 4 })],
    [e.reject(family)],
    [e.verdict("drop")],
  ];
  // Register by register, as some have two names.
  for (let register = 0; register < 16; register++) rules.push([e.meta("mark", register)]);
  return rules;
}

const word = { type: 0, length: 4 };

/** What is written and what the kernel gives back, in the form that is compared. */
async function roundTrip(table: TableRef): Promise<{ written: string[]; read: string[] }> {
  using socket = openNftables();
  const rules = everyRule(table.family);
  const { pre, post } = natRules(table.family);
  commit(socket, "write a rule of each kind", [
    addTable(table),
    addSet(table, { name: "s", key: word }, 1),
    addSet(table, { name: "m", key: word, data: word }, 2),
    addSet(table, { name: "v", key: word, data: "verdict" }, 3),
    addSet(table, { name: "d", key: word, data: word, flags: 0x30, size: 100 }, 4),
    addChain(table, "c"),
    addChain(table, "end"),
    addChain(table, "pre", { type: "nat", hook: "prerouting", priority: -100 }),
    addChain(table, "post", { type: "nat", hook: "postrouting", priority: 100 }),
    ...rules.map((rule) => addRule(table, "c", rule)),
    addRule(table, "pre", pre),
    addRule(table, "post", post),
  ]);
  const written = [...rules, pre, post].map((rule) => {
    const attributes = new AttributeWriter();
    e.writeExpressions(attributes, NFTA_RULE_EXPRESSIONS, rule);
    return comparableExpressions(attributes.finish().subarray(4));
  });
  const read = await listRules(socket, table);
  return { written, read: read.map(({ expressions }) => comparableExpressions(expressions)) };
}

async function readElements({ table, set }: ElementsArgument): Promise<ReadElement[]> {
  using socket = openNftables();
  const all: ReadElement[] = [];
  for await (const elements of dumpElements(socket, table, set)) {
    while (elements.next()) {
      const { packets, countedBytes, timeoutMs, expiresMs } = elements;
      const values = { key: hex(elements.key()) ?? "", data: hex(elements.data()) };
      all.push({ ...values, verdict: elements.verdict(), packets, countedBytes, timeoutMs, expiresMs });
    }
  }
  return all;
}

/** The code of the error that ends a dump during which somebody commits. */
async function tornDump({ table, set }: ElementsArgument): Promise<string> {
  using socket = openNftables();
  let datagrams = 0;
  try {
    for await (const _ of dumpElements(socket, table, set)) {
      if (datagrams++ === 0) nft("add table ip somebody-elses");
    }
    return "";
  } catch (error) {
    if (!isNetlinkError(error, "EINTR")) throw error;
    return error.code;
  }
}

function watch({ table, steps }: { table: TableRef; steps: readonly WatchStep[] }): Watched {
  const changes: ForeignChange[] = [];
  let overflows = 0;
  using socket = openNftables();
  using monitor = new NftMonitor({
    table,
    isOwn: (portId) => portId === socket.portId,
    onChange: (change) => changes.push(change),
    onOverflow: () => overflows++,
  });
  for (const step of steps) {
    if (step === "poll") monitor.poll();
    else if (step === "pause") monitor.pause();
    else if (step === "resume") monitor.resume();
    else if (step === "own change") {
      commit(socket, "own change", addElements(table, "m", [{ key: "\0\0\0\x07", data: "\0\0\0\x07" }]));
    } else if ("flood" in step) {
      const many = Array.from({ length: step.flood }, (_, i) => `${i + 10} : 1`).join(", ");
      nft(`add element ${table.family} ${table.name} m { ${many} }`);
    } else nft(step.nft);
  }
  monitor.poll();
  return { changes, overflows, generation: readGeneration(socket) };
}

export const NF_TABLES_CALLS = {
  nftTables: async (family: TableRef["family"]) => {
    using socket = openNftables();
    return (await listTables(socket, family)).map(({ userdata, ...rest }) => ({
      ...rest,
      userdata: userdata?.toString("latin1"),
    }));
  },
  nftContents: async (table: TableRef) => {
    using socket = openNftables();
    return {
      chains: await listChains(socket, table),
      rules: (await listRules(socket, table)).map(({ chain }) => chain),
      sets: await listSets(socket, table),
    };
  },
  nftRoundTrip: roundTrip,
  nftElements: readElements,
  nftTornDump: tornDump,
  nftWatch: watch,
};
